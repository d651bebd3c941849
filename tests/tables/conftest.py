"""Fixtures of these tests: the DynamoDB that answers what a test tells it to, and the proxy before an engine."""

from tests.dynamo.conftest import fake, fake_server
from tests.operations.conftest import proxied, proxy_server

__all__ = ["fake", "fake_server", "proxied", "proxy_server"]

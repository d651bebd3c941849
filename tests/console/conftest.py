"""Fixtures of these tests: the proxy before the engine, and a caller of the API."""

from tests.api.conftest import program
from tests.operations.conftest import proxied, proxy_server

__all__ = ["program", "proxied", "proxy_server"]

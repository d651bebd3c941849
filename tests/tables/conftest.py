"""Fixtures of these tests: the DynamoDB that answers what a test tells it to."""

from tests.dynamo.conftest import fake, fake_server

__all__ = ["fake", "fake_server"]

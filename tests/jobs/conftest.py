"""Fixtures of these tests."""

from tests.api.conftest import program

__all__ = ["program"]

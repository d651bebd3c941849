"""Fixtures of these tests: a proxy before the engine."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines import Engine
from tests.operations.proxy import Proxy, proxy


@pytest.fixture(scope="session")
def proxy_server() -> Iterator[Proxy]:
    with proxy() as server:
        yield server


@pytest.fixture
def proxied(tables: dict[str, Any], engine: Engine, proxy_server: Proxy) -> Proxy:
    """The way of the writers to the engine of `tables`, which the test itself asks directly."""
    proxy_server.reset(engine.endpoint.removeprefix("http://"))
    return proxy_server

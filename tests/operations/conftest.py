"""Fixtures of these tests: a proxy before the engine."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engines import Engine
from tests.operations.proxy import Proxy, proxy


@pytest.fixture(scope="session")
def proxy_server() -> Iterator[Proxy]:
    """One for all tests, since each place costs a client."""
    with proxy() as server:
        yield server


@pytest.fixture
def proxied(tables: dict[str, Any], engine: Engine, proxy_server: Proxy, settings: Any) -> Proxy:
    """The `tables`, with the console at a proxy before their engine; the test itself asks the engine."""
    proxy_server.reset(engine.endpoint.removeprefix("http://"))
    settings.DYNAMO_TABLES = {
        logical: {**table, "endpoint": proxy_server.endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    return proxy_server

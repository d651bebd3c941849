"""Fixtures of these tests: a proxy before the engine."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore import awsrequest

from tests.engines import Engine
from tests.operations.proxy import Proxy, proxy


@pytest.fixture(autouse=True)
def _botocores_own_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that has the writers and nothing of the console, which sets connections of its own."""
    for pool, connection in (
        (awsrequest.AWSHTTPConnectionPool, awsrequest.AWSHTTPConnection),
        (awsrequest.AWSHTTPSConnectionPool, awsrequest.AWSHTTPSConnection),
    ):
        monkeypatch.setattr(pool, "ConnectionCls", connection)


@pytest.fixture(scope="session")
def proxy_server() -> Iterator[Proxy]:
    with proxy() as server:
        yield server


@pytest.fixture
def proxied(tables: dict[str, Any], engine: Engine, proxy_server: Proxy) -> Proxy:
    """The way of the writers to the engine of `tables`, which the test itself asks directly."""
    proxy_server.reset(engine.endpoint.removeprefix("http://"))
    return proxy_server

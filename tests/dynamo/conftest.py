"""Fixtures of these tests: a DynamoDB that fails on demand, and a clock that stands still."""

from collections.abc import Iterator
from typing import Any

import pytest

from opsportal.dynamo import spending
from opsportal.dynamo.tables import Binding, binding
from tests.dynamo.fake_aws import Clock, FakeDynamo, fake_dynamo


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeDynamo]:
    """One for all tests, since each place costs a client."""
    with fake_dynamo() as server:
        yield server


@pytest.fixture
def fake(fake_server: FakeDynamo, settings: Any) -> Iterator[FakeDynamo]:
    """All four tables at a server whose answers the test decides. Times are long, for busy machines."""
    settings.DYNAMO_CONNECT_TIMEOUT = settings.DYNAMO_READ_TIMEOUT = 15.0
    settings.DYNAMO_REQUEST_DEADLINE = 50.0
    settings.DYNAMO_ENDPOINT_URL = fake_server.endpoint
    settings.DYNAMO_TABLES = {
        logical: {**table, "endpoint": fake_server.endpoint}
        for logical, table in settings.DYNAMO_TABLES.items()
    }
    yield fake_server
    fake_server.reset()


@pytest.fixture
def requests_table(fake: FakeDynamo) -> Binding:
    """The requests table at the fake."""
    return binding("requests")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the time budget."""
    clock = Clock()
    monkeypatch.setattr(spending, "time", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_sample_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests ask about migrations; what migrate offers after them is in tests/demo."""
    from opsportal.tables.commands import seed

    monkeypatch.setattr(seed, "offer", lambda console: None)

"""How much of the outbox is due."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.operations import backlog as module
from opsportal.operations import outbox
from opsportal.operations.backlog import Backlog, Measure, backlog
from opsportal.operations.changes import text
from opsportal.operations.entries import new_action_id
from opsportal.operations.outbox import Message
from opsportal.operations.tables import jobs_beside
from tests.operations import places

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def put(table: Any, due: datetime) -> None:
    outbox.put(Message("test", {}, new_action_id(), due), table)


def test_what_is_due_is_counted_over_all_shards_with_its_age(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    assert backlog(table, NOW) == Backlog(0, 0.0)
    for minutes in (1, 2, 3, 4, 5, 90):
        put(table, NOW - timedelta(minutes=minutes))
    put(table, NOW + timedelta(minutes=10))
    assert backlog(table, NOW) == Backlog(6, 5400.0)


def test_a_huge_backlog_is_read_only_so_far(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    client = module.clients.client(*jobs_beside(tables["requests"]).place, patient=True)
    query = client.query

    def short(**arguments: Any) -> Any:
        return query(**arguments, Limit=1)

    monkeypatch.setattr(client, "query", short)
    for minutes in range(12):
        put(tables["requests"], NOW - timedelta(minutes=minutes + 1))
    found = backlog(tables["requests"], NOW)
    assert found.capped
    assert 1 <= found.count <= outbox.SHARDS


def test_an_item_that_no_console_wrote_is_counted_and_does_no_harm(tables: dict[str, Any]) -> None:
    jobs = jobs_beside(tables["requests"])
    module.clients.client(*jobs.place).put_item(
        TableName=jobs.name, Item={"pk": text("outbox#0"), "sk": text("0-no-time")}
    )
    assert backlog(tables["requests"], NOW) == Backlog(1, 0.0)


def test_the_worker_looks_now_and_then(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table, stop, measure = tables["requests"], threading.Event(), Measure()
    put(table, datetime.now(UTC) - timedelta(minutes=1))

    def due() -> float | None:
        return REGISTRY.get_sample_value("opsportal_outbox_due", {"region": table.region})

    assert measure(table, stop) == 0
    assert due() == 1
    assert (REGISTRY.get_sample_value("opsportal_outbox_oldest_seconds", {"region": table.region}) or 0) >= 60
    put(table, datetime.now(UTC) - timedelta(minutes=1))
    measure(table, stop)
    assert due() == 1  # too soon
    monkeypatch.setattr(module, "PAUSE", 0.0)
    measure(table, stop)
    assert due() == 2
    assert len(places.outbox(table)) == 2

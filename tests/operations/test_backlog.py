"""How much of the outbox is due."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.dynamo import clients
from opsportal.operations import outbox
from opsportal.operations.changes import text
from opsportal.operations.entries import new_action_id
from opsportal.operations.outbox import Backlog, Message, backlog
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import Worker
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
    monkeypatch.setattr(outbox, "MAX_PAGES", 1)
    client = clients.client(*jobs_table_for(tables["requests"]).location, background=True)
    query = client.query

    def short(**arguments: Any) -> Any:
        return query(**arguments, Limit=1)

    monkeypatch.setattr(client, "query", short)
    for minutes in range(12):
        put(tables["requests"], NOW - timedelta(minutes=minutes + 1))
    found = backlog(tables["requests"], NOW)
    assert 1 <= found.count <= outbox.SHARDS


def test_an_item_that_no_console_wrote_is_counted_and_does_no_harm(tables: dict[str, Any]) -> None:
    jobs = jobs_table_for(tables["requests"])
    clients.client(*jobs.location).put_item(
        TableName=jobs.name, Item={"pk": text("outbox#0"), "sk": text("0-no-time")}
    )
    assert backlog(tables["requests"], NOW) == Backlog(1, 0.0)


def test_the_worker_sets_the_figures(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    put(table, datetime.now(UTC) - timedelta(minutes=1))
    assert Worker([outbox.BACKLOG]).once(threading.Event()) == 0
    labels = {"region": table.region}
    assert REGISTRY.get_sample_value("opsportal_outbox_due", labels) == 1
    assert (REGISTRY.get_sample_value("opsportal_outbox_oldest_seconds", labels) or 0) >= 60
    assert len(places.outbox(table)) == 1

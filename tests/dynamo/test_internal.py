"""The models of the internal tables: PynamoDB's own calls, over the shared clients, at each location."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.errors import AccessDenied, DeadlineExceeded, Unreachable, translated
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations.items import AuditItem, OutboxItem
from opsportal.operations.tables import audit_table_for, jobs_table_for
from tests.dynamo.fake_aws import Answer, FakeDynamo, error


def put(table: Binding, **item: Any) -> None:
    clients.client(*table.location).put_item(TableName=table.name, Item=item)


def test_it_reads_over_the_shared_client(tables: dict[str, Binding]) -> None:
    """Only the shared clients book what they are asked, and what it consumed."""
    audit, jobs = audit_table_for(tables["requests"]), jobs_table_for(tables["requests"])
    put(audit, action_id={"S": "one"}, at={"S": "2026"}, image={"B": b"\x00"})
    for number in range(3):
        put(jobs, pk={"S": "p"}, sk={"S": str(number)}, claimed_until={"N": str(number)})
    item, outbox = AuditItem.bound_to(audit), OutboxItem.bound_to(jobs, background=True)
    with request_budget(None) as account:
        assert item.get("one", consistent_read=True).image == b"\x00"
        found = outbox.query("p", OutboxItem.sk > "0", OutboxItem.claimed_until < 2)
        assert [one.sk for one in found] == ["1"]
        assert [one.action_id for one in item.scan()] == ["one"]
        with pytest.raises(AuditItem.DoesNotExist):
            item.get("two")
    assert account.operations == ["GetItem", "Query", "Scan", "GetItem"]
    assert account.read_units >= 2


def test_every_location_has_its_own(
    fake: FakeDynamo, requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = clients.client, []

    def recorded(region: str, endpoint: str, *, background: bool) -> Any:
        asked.append((region, background))
        return client(region, endpoint, background=background)

    monkeypatch.setattr(clients, "client", recorded)
    here = audit_table_for(requests_table)
    there = replace(here, region="eu-north-1", name="there")
    for table, background in ((here, False), (there, True), (here, True), (here, False)):
        with pytest.raises(AuditItem.DoesNotExist):
            AuditItem.bound_to(table, background=background).get("x")
    assert asked == [(here.region, False), ("eu-north-1", True), (here.region, True), (here.region, False)]
    assert [arguments["TableName"] for _, arguments in fake.asked] == [
        here.name,
        "there",
        here.name,
        here.name,
    ]


def test_its_errors_are_the_consoles(fake: FakeDynamo, requests_table: Binding) -> None:
    audit = audit_table_for(requests_table)
    fake.says(error("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied, match=audit.name), translated(audit):
        AuditItem.bound_to(audit).get("x")
    fake.says(Answer({}))
    with pytest.raises(AuditItem.DoesNotExist), translated(audit):
        AuditItem.bound_to(audit).get("x")
    gone = replace(audit, endpoint="http://127.0.0.1:9")
    with pytest.raises(Unreachable), translated(gone):
        AuditItem.bound_to(gone).get("x")
    with request_budget(0), pytest.raises(DeadlineExceeded), translated(audit):
        AuditItem.bound_to(audit).get("x")


def test_what_is_missing_or_odd_is_false() -> None:
    odd = {
        "reason": {"L": []},
        "count": {"S": "many"},
        "changes": {"S": "x"},
        "watch": {"N": "1"},
        "image": {"S": "x"},
    }
    null = {name: {"NULL": True} for name in odd}
    for raw in ({}, null, odd):
        item = AuditItem.from_raw_data(raw)
        read = (item.reason, item.number, item.changes, item.watch, item.image, item.has_image)
        assert not any(read), raw
    whole = {
        "reason": {"N": "7"},
        "count": {"S": "3"},
        "has_image": {"BOOL": True},
        "watch": {"M": {"a": {"S": "b"}}},
    }
    item = AuditItem.from_raw_data(whole)
    assert (item.reason, item.number, item.has_image, item.watch) == (
        "7",
        Decimal(3),
        True,
        {"a": {"S": "b"}},
    )

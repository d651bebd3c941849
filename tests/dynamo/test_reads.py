"""Query and Scan, page after page."""

from typing import Any

import pytest

from opsportal.dynamo import clients
from opsportal.dynamo.errors import AccessDenied
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read, read_all
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from tests.dynamo.fake_aws import Answer, FakeDynamo, error

LAST = {"request_id": {"S": "x"}}


def page(*ids: str, more: bool = True) -> Answer:
    items = [{"request_id": {"S": one}} for one in ids]
    return Answer({"Items": items} | ({"LastEvaluatedKey": LAST} if more else {}))


@pytest.mark.parametrize(("pages", "found"), [(None, ["a", "b", "c"]), (2, ["a", "b"]), (9, ["a", "b", "c"])])
def test_pages_are_read_to_the_end_or_to_a_number(
    fake: FakeDynamo, requests_table: Binding, pages: int | None, found: list[str]
) -> None:
    fake.says(page("a"), page("b"), page("c", more=False))
    key = (Clause("status", "=", ("pending",)),)
    with request_budget(None) as account:
        answers = list(read_all(requests_table, "status-index", key=key, pages=pages, Limit=1))
    assert [item["request_id"]["S"] for answer in answers for item in answer["Items"]] == found
    assert account.operations == ["Query"] * len(found)
    assert [arguments.get("ExclusiveStartKey") for _, arguments in fake.asked] == [None, LAST, LAST][
        : len(found)
    ]
    assert {(one["IndexName"], one["Limit"], one["KeyConditionExpression"]) for _, one in fake.asked} == {
        ("status-index", 1, "#n0 = :v0")
    }


def test_a_later_page_that_is_refused_is_the_consoles_error(
    fake: FakeDynamo, requests_table: Binding
) -> None:
    fake.says(page(), error("AccessDeniedException", "no"))
    answers = read_all(requests_table)
    assert next(answers)["Items"] == []
    with pytest.raises(AccessDenied):
        next(answers)
    assert fake.operations == ["Scan", "Scan"]


def test_what_may_be_patient_is_not_so_within_a_request(
    fake: FakeDynamo, requests_table: Binding, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, asked = clients.client, []

    def recorded(*place: str, background: bool, **_: Any) -> Any:
        asked.append(background)
        return client(*place, background=background)

    monkeypatch.setattr(clients, "client", recorded)
    fake.says(page(more=False))
    read(requests_table, background=None)
    with request_budget(None):
        read(requests_table, background=None)
        read(requests_table, background=True)
    read(requests_table)
    assert asked == [True, False, True, False]

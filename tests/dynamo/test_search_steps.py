"""A search that no index serves, step by step: all hits once, each step's cost is bounded and said."""

from datetime import timedelta
from typing import Any

import pytest

from opsportal.dynamo.spans import Span
from opsportal.dynamo.spending import request_budget
from requests_app import queries as requests
from tests.cases import each
from tests.factories import ago, naive, put, request, workflow, zulu
from tracking import queries as workflows

STATUSES = ("processing", "completed", "failed", "odd")


def made(logical: str, number: int) -> Any:
    at, status = ago(hours=5) + timedelta(seconds=number), STATUSES[number % 4]
    hit = "needle" if number % 90 == 0 else "hay"
    if logical == "workflows":
        return workflow(f"w{number:04}", createdAt=zulu(at), overallStatus=status, documentId=hit)
    return request(f"r{number:04}", created_at=naive(at), status=status, project_id=hit)


@pytest.mark.no_moto  # which reads its whole table with every query
@each(
    ("logical", "search", "stamp"),
    [("workflows", workflows.search, "createdAt"), ("requests", requests.search, "created_at")],
)
def test_a_search_in_steps_finds_every_hit_once_and_says_what_each_step_cost(
    tables: Any, settings: Any, logical: str, search: Any, stamp: str
) -> None:
    put(tables[logical], *(made(logical, number) for number in range(900)))
    found, cursor, covered = [], "", "~"
    with request_budget(None) as account:
        for _ in range(40):
            calls, units = account.calls, account.read_units
            one = search({"q": "needle"}, Span(), purpose="test", cursor=cursor)
            assert (one.calls, one.units) == (account.calls - calls, account.read_units - units)
            found += [item[stamp]["S"] for item in one.items]
            if not one.cursor:
                break
            # Each step goes further back, and all hits above where it stopped have been found.
            assert one.covered_to < covered
            cursor, covered = one.cursor, one.covered_to
            assert all(at >= covered for at in found)
    assert not one.cursor
    assert not one.covered_to
    assert len(found) == 10
    assert found == sorted(found, reverse=True)

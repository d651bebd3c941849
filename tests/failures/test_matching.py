"""Rows lead to the case of their failure, and a list, its API and a job show the failures of one."""

from typing import Any

import pytest

from opsportal.failures.matching import fingerprint_of
from opsportal.jobs import control, freezing, store
from opsportal.operations.entries import Actor
from tests.factories import MISSING, ago, naive, put, request, step, workflow, zulu
from tests.pages import visit

pytestmark = pytest.mark.no_moto

TIMEOUT = "TimeoutError: {} did not answer within {} s"


def errors(host: str, seconds: int) -> dict[str, Any]:
    return {
        "errors": [TIMEOUT.format(f"https://{host}/feed", seconds), "another"],
        "completed_at": naive(ago(minutes=1)),
    }


REQUESTS = {
    "one": request("one", status="failed", **errors("a.example.com", 30)),
    "two": request("two", status="FAILED", **errors("b.example.com", 60)),
    # Of another stage, another error, none, and of one that goes on.
    "stage": request("stage", status="failed", **errors("a.example.com", 30), progress={"current_stage": "serp"}),
    "other": request("other", status="failed", errors=["Boom"]),
    "silent": request("silent", status="failed"),
    "runs": request("runs", **errors("a.example.com", 30)),
    # In no index.
    "outside": request("outside", status="failed", **errors("c.example.com", 90), created_at=MISSING),
    "old": request("old", status="failed", **errors("a.example.com", 30), created_at=naive(ago(days=20))),
}  # fmt: skip
FAILED: dict[str, Any] = {"overallStatus": "failed", "createdAt": zulu(ago(hours=1))}
WORKFLOWS = {
    "one": workflow("one", pdfAdapter=step("error", error=TIMEOUT.format("pdf-1", 30)), **FAILED),
    "two": workflow("two", pdfAdapter=step("error", error=TIMEOUT.format("pdf-2", 60)), **FAILED),
    "step": workflow("step", tradeExtraction=step("error", error=TIMEOUT.format("pdf-1", 30)), **FAILED),
    "runs": workflow("runs", pdfAdapter=step("error", error=TIMEOUT.format("pdf-1", 30))),
}


def test_a_list_an_api_and_a_job_hold_the_failures_of_a_case(tables: Any, client_for: Any) -> None:
    put(tables["requests"], *REQUESTS.values())
    put(tables["workflows"], *WORKFLOWS.values())
    client = client_for("operator")
    for logical, items, expected in (
        ("requests", REQUESTS, ["one", "outside", "two"]),
        ("workflows", WORKFLOWS, ["one", "two"]),
    ):
        found = fingerprint_of(logical, items["one"])
        assert found
        page = visit(client, f"/{logical}/?case={found.id}")
        assert sorted(page.ids) == expected
        assert {one.lower() for one in page.partitions} == {"failed"}
        assert page.chips[0].startswith(f"Case {found.id}")
        listed = client.get(f"/api/{logical}?case={found.id}").json()["items"]
        assert sorted(one["id"] for one in listed) == expected
        # Each row leads to its own case; one that goes on has none.
        links = {
            key: [link.attrs["href"] for link in row.all("a", class_="attention")]
            for rows in [visit(client, f"/{logical}/")]
            for key, row in zip(rows.ids, rows.rows, strict=True)
        }
        for key, item in items.items():
            own = fingerprint_of(logical, item)
            assert key == "old" or links[key] == ([f"/failures/{own.id}/"] if own else []), key
        assert links["one"] == links["two"]
        job = control.make(
            f"{logical}.fail" if logical == "workflows" else "requests.retry",
            by=Actor("olga", "operator", "user:1001"),
            reason="again",
            filter={"case": found.id},
        )
        freezing.freeze(job)
        frozen = store.find(job.id, job.table)
        assert frozen
        assert frozen.matched == len(expected) + (logical == "requests")  # of all time
    other = fingerprint_of("requests", REQUESTS["other"])
    assert other
    for query, ids in {
        f"case={other.id}": ["other"],
        f"case={other.id}&status=failed": ["other"],
        f"case={other.id}&status=completed": [],
        f"case={other.id}&stuck=1": [],
        f"case={other.id}&user=test-user-123": ["other"],
        f"case={other.id}&priority=high": ["other"],
        f"case={other.id}&sort=priority": ["other"],
        "case=nonsense": [],
    }.items():
        assert visit(client, f"/requests/?{query}").ids == ids, query

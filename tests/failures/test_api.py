"""The API of failure cases, and what alert rules make of muted ones."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.alerts import watches
from opsportal.alerts.watches import Question
from opsportal.dynamo.errors import AccessDenied
from opsportal.failures import silence, store
from opsportal.failures.case import State
from opsportal.failures.failure import all_sources
from opsportal.failures.fingerprint import clean, error_type, fingerprint
from opsportal.operations import feeds
from opsportal.operations.entries import Target
from tests import factories
from tests.api.conftest import program
from tests.exports.reading import rows_of, text_of
from tests.factories import ago, step, workflow, zulu
from tests.failures.cases import case_of, follow, now_of, put

__all__ = ["program"]
pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]
READ, WRITE = "failures:read", "failures:write"


def test_programs_see_cases_and_act_on_them_once(tables: Any, program: Any) -> None:
    case = put(case_of("Quota", logical="requests"), case_of(), keys=["tm-1"])
    follow("workflows", "requests")
    ci = program("operator", READ, WRITE)
    listed = ci.get("/api/failures?order=newest").json()
    assert listed["complete"]
    assert {one["line"] for one in listed["items"]} == {case.line, "Quota"}
    assert [one["table"] for one in ci.get("/api/failures?table=requests").json()["items"]] == ["requests"]
    assert ci.get("/api/failures?state=resolved").json()["items"] == []
    assert len(ci.get("/api/failures?owner=none").json()["items"]) == 2
    assert ci.get("/api/failures?state=closed").status_code == 422
    assert ci.get("/api/failures?nonsense=1").status_code == 422
    url = f"/api/failures/{case.id}"
    one = ci.get(url).json()
    assert (one["state"], one["runs"], one["count"], one["owner"]) == ("open", 3, 3, None)
    assert [key["key"] for key in one["keys"]] == ["tm-1"]
    assert sum(hour["runs"] for hour in one["hours"]) == 3

    assert ci.post(f"{url}/acknowledge").json()["state"] == "acknowledged"
    again = ci.post(f"{url}/acknowledge")
    assert again.status_code == 409
    assert again.json()["current"] == {"state": "acknowledged", "owner": None}
    key = {"Idempotency_Key": "note-1"}
    for n in range(2):
        answer = ci.post(f"{url}/notes", {"reason": "Quota asked for"}, **key)
        assert [note["text"] for note in answer.json()["notes"]] == ["Quota asked for"]
        assert ("Idempotency-Replayed" in answer.headers) is bool(n)
    assert ci.post(f"{url}/notes", {"reason": "another"}, **key).status_code == 422
    assert ci.post(f"{url}/assign", {"owner": "operator"}).json()["owner"]["name"] == "operator"
    assert ci.post(f"{url}/assign", {"owner": None}).json()["owner"] is None
    assert ci.post(f"{url}/assign", {}).status_code == 422
    for owner in ("nobody-of-this-name", "token:1", "user:99999", "\u0000"):
        assert ci.post(f"{url}/assign", {"owner": owner}).status_code == 400, owner
    views = program("viewer", READ, name="views").token.owner
    refused = ci.post(f"{url}/assign", {"owner": views.get_username()})
    assert (refused.status_code, now_of(case).owner) == (422, "")
    assert "may not act on cases" in refused.json()["detail"]
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    assert ci.post(f"{url}/mute", {"until": until}).json()["state"] == "muted"
    assert ci.post(f"{url}/mute", {"until": "closed"}).json()["muted_until"] == "closed"
    assert ci.post(f"{url}/mute", {"until": "2020-01-01T00:00:00Z"}).status_code == 409
    assert ci.post(f"{url}/mute", {"until": None}).json()["muted_until"] is None
    assert ci.post(f"{url}/resolve", {"reason": " "}).status_code == 422
    closed = ci.post(f"{url}/resolve", {"reason": "Quota raised"}).json()
    assert (closed["state"], closed["reason"], closed["closed_by"]) == (
        "resolved",
        "Quota raised",
        "operator via token ci",
    )
    assert [one["id"] for one in ci.get("/api/failures?state=resolved").json()["items"]] == [case.id]
    assert ci.post(f"{url}/reopen").json()["state"] == "reopened"
    entries = feeds.of_target(Target("workflows", case.id))
    assert {entry.actor.name for entry in entries} == {"operator via token ci"}
    assert len(entries) == 9
    for unknown in ("0123456789abcdef", "0" * 2_049, "~C3~A9" * 1_100):
        missing = ci.post(f"/api/failures/{unknown}/acknowledge")
        assert missing.status_code == 404
        assert "within a minute" in missing.json()["detail"]


def test_cases_come_as_a_file_with_the_lists_own_filters(tables: Any, program: Any) -> None:
    quota = put(case_of("Quota", logical="requests"))
    put(case_of())
    follow("workflows", "requests")
    ci = program("operator", READ, "lists:export")
    text = text_of(ci, "/api/failures?format=ndjson&table=requests&window=7d&columns=case_id,error,runs")
    assert json.loads(text) == {"case_id": quota.id, "error": "Quota", "runs": 3}
    assert len(rows_of(text_of(ci, "/api/failures?format=csv"))) == 2
    assert program("viewer", READ).get("/api/failures?format=csv").status_code == 403


def test_a_token_that_only_reads_and_a_viewer_change_nothing(tables: Any, program: Any) -> None:
    case = put(case_of())
    for caller in (program("operator", READ, name="reads"), program("viewer", READ, WRITE, name="views")):
        assert caller.get(f"/api/failures/{case.id}").status_code == 200
        assert caller.post(f"/api/failures/{case.id}/acknowledge").status_code == 403
    assert program("operator", "jobs:run", name="other").get("/api/failures").status_code == 403
    assert now_of(case) == case


# --- Alerts -------------------------------------------------------------------------------------------------------


def asked(**more: Any) -> Question:
    now = datetime.now(UTC)
    return Question(now=now, baseline=now - timedelta(days=1), window=timedelta(hours=24), **more)


def test_an_open_case_fires_until_somebody_takes_notice(tables: Any) -> None:
    watch = watches.watch("case.unacknowledged")
    assert watch
    assert watch.still
    now = datetime.now(UTC)
    fresh = case_of("Fresh", opened_at=now - timedelta(minutes=2))
    back = case_of(
        "Back", opened_at=now - timedelta(days=3), reopened=True, reopened_at=now - timedelta(minutes=2)
    )
    case = put(
        fresh,
        back,
        case_of("Acknowledged", state=State.ACKNOWLEDGED),
        case_of("Muted", muted_until=now + timedelta(hours=1)),
        case_of("Of a request", logical="requests"),
        case_of(),
    )
    reading = watch.read(asked(threshold=10, filters={"table": "workflows"}))
    assert reading.complete
    (fact,) = reading.facts
    assert (fact.subject, fact.path) == (case.id, f"/failures/{case.id}/")
    assert fact.error == case.line
    assert {one.subject for one in watch.read(asked(threshold=1)).facts} >= {fresh.id, back.id, case.id}
    assert watch.still(asked(), case.id)
    for changed in (
        replace(case, state=State.ACKNOWLEDGED),
        replace(case, muted_until=now + timedelta(hours=1)),
        replace(case, state=State.RESOLVED),
    ):
        put(changed)
        assert watch.still(asked(), case.id) is None
    assert watch.still(asked(), "0123456789abcdef") is None


def test_rules_for_failures_leave_out_those_of_a_muted_case_and_nothing_else(
    tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(name: str, error: str) -> Any:
        failed = step("error", error=error, completedAt=zulu(ago(minutes=3)))
        return workflow(
            name, overallStatus="failed", tradeMatching=failed, createdAt=zulu(ago(minutes=9)), lastUpdated=zulu(ago(minutes=3)),
        )  # fmt: skip

    factories.put(
        tables["workflows"],
        failing("muted-1", "Quota of 5 used up"),
        failing("muted-2", "Quota of 9 used up"),
        failing("loud", "Page 4 is empty"),
        *(workflow(f"ok-{n}", overallStatus="completed", createdAt=zulu(ago(minutes=9))) for n in range(2)),
    )
    rule, rate = (watches.watch(f"workflow.{name}") for name in ("failed", "failure_rate"))
    assert rule
    assert rule.still
    assert rate
    assert {fact.subject for fact in rule.read(asked()).facts} == {"muted-1", "muted-2", "loud"}
    (before,) = rate.read(asked(threshold=1)).facts
    assert (before.figures["failed"], before.figures["ended"]) == (3, 5)

    source = all_sources()["workflows"]
    failure = source.failure_of(failing("muted-1", "Quota of 5 used up"))
    assert failure
    found = fingerprint("workflows", failure)
    made = case_of(
        failure.error,
        step=failure.step,
        id=found.id,
        line=clean(failure.error),
        type=error_type(failure.error),
    )
    case = put(replace(made, muted_until=datetime.now(UTC) + timedelta(hours=1)))
    assert {fact.subject for fact in rule.read(asked()).facts} == {"loud"}
    assert rule.still(asked(), "muted-1") is None
    assert rule.still(asked(), "loud")
    (after,) = rate.read(asked(threshold=1)).facts
    assert (after.figures["failed"], after.figures["ended"]) == (1, 3)
    # An hour later, and where the cases can't be read, they fire again.
    put(replace(case, muted_until=datetime.now(UTC) - timedelta(seconds=1)))
    assert len(rule.read(asked()).facts) == 3
    put(replace(case, muted_until=datetime.now(UTC) + timedelta(hours=1)))

    def denied() -> Any:
        raise AccessDenied("IAM does not allow this.")

    monkeypatch.setattr(store, "active", denied)
    assert not silence.muted("workflows", datetime.now(UTC))({})
    assert len(rule.read(asked()).facts) == 3

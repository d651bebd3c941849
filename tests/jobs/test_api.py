"""Jobs over the API: what is asked for is what is done, once, by whom it may be done."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from opsportal.accounts.scopes import all_scopes
from opsportal.jobs import answers, api, control, freezing, running, states
from opsportal.jobs.job import State
from opsportal.jobs.store import find
from opsportal.operations.bulk import all_bulk
from opsportal.operations.outcomes import Unreadable
from tests import factories
from tests.api.conftest import Program
from tests.exports.reading import text_of
from tests.operations.places import dump, scan, trail

pytestmark = pytest.mark.no_moto
ALL_KEYS = [f"req-{at:05}" for at in range(30)]


@pytest.fixture
def caller(tables: dict[str, Any], program: Callable[..., Program], settings: Any) -> Program:
    settings.API_RATE_LIMIT = 0
    factories.put(
        tables["requests"],
        *[factories.request(key, status="failed") for key in ALL_KEYS],
        *[factories.request(f"ok-{at}", status="completed") for at in range(5)],
    )
    return program("operator")


def made(caller: Program, **body: Any) -> dict[str, Any]:
    """The job, its preview ready."""
    answer = caller.post("/api/jobs", {"action": "requests.purge", "reason": "because", **body})
    assert answer.status_code == 202, answer.content
    freeze(answer.json()["id"])
    found: dict[str, Any] = caller.get(answer.json()["url"]).json()
    return found


def freeze(job_id: str) -> None:
    job = find(job_id)
    assert job
    freezing.freeze(job)


def run(job_id: str, most: int | None = None) -> None:
    job = find(job_id)
    assert job
    running.run(job, most=most)


def test_a_job_from_its_making_to_its_undo(caller: Program, tables: dict[str, Any]) -> None:
    """Counts are exact all along, and the undo brings everything back."""
    before = scan(tables["requests"])
    answer = caller.post(
        "/api/jobs",
        {"action": "requests.purge", "filter": {"status": "failed", "range": "24h"}, "reason": "a test"},
    )
    assert answer.status_code == 202
    job = answer.json()
    assert answer["Location"] == job["url"] == f"/api/jobs/{job['id']}"
    assert (job["state"], job["counts"]["matched"], job["rate"], job["eta_seconds"]) == (
        "previewing", 0, None, None,
    )  # fmt: skip
    assert job["source"]["since"]
    assert job["source"]["until"] is None
    freeze(job["id"])
    job = caller.get(job["url"]).json()
    none = {"done": 0, "skipped": 0, "failed": 0}
    assert job["state"] == "ready"
    assert job["counts"] == {"matched": 30, "eligible": 30, "pending": 30, **none}
    assert len(job["sample"]) == 20
    assert job["cost"]["write_units"] > 0
    assert job["expires_at"] > job["frozen_at"]
    assert job["undo"] == {
        "possible": False,
        "until": None,
        "why_not": "It is ready: stop it first, or wait until it is finished.",
    }

    url = job["url"]
    assert caller.post(f"{url}/start", {"expected": 29}).status_code == 409
    started = caller.post(f"{url}/start", {"expected": 30.0}).json()
    assert (started["state"], started["started_by"]) == ("running", "operator via token ci")
    run(job["id"], most=7)
    assert caller.post(f"{url}/pause", {"reason": "wait"}).json()["state"] == "paused"
    paused = caller.get(url).json()
    assert paused["counts"]["done"] + paused["counts"]["pending"] == 30
    assert 0 < paused["counts"]["done"] < 30
    assert paused["rate"] is None
    resumed = caller.post(f"{url}/resume").json()
    assert (resumed["state"], resumed["rate"], resumed["eta_seconds"]) == ("running", 0.0, None)
    run(job["id"])
    done = caller.get(url).json()
    assert done["state"] == "finished"
    assert done["counts"] == {
        "matched": 30,
        "eligible": 30,
        "done": 30,
        "skipped": 0,
        "failed": 0,
        "pending": 0,
    }
    assert len(scan(tables["requests"])) == 5

    undo = caller.post(f"{url}/undo")
    assert undo.status_code == 202
    assert undo.json()["undoes"] == job["id"]
    assert undo.json()["action"] == "requests.undo"
    assert undo.json()["counts"]["matched"] == 0  # not those of the job that it undoes
    freeze(undo.json()["id"])
    run(undo.json()["id"])
    assert caller.get(undo.json()["url"]).json()["counts"]["done"] == 30
    assert scan(tables["requests"]) == before
    listed = caller.get("/api/jobs").json()
    assert [one["id"] for one in listed["items"]] == [undo.json()["id"], job["id"]]
    assert listed["complete"]


def test_the_list_comes_as_a_file_with_all_jobs(
    caller: Program, program: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of the API has room for the newest alone."""
    monkeypatch.setattr(answers, "LISTED", 1)
    jobs = [made(caller, keys=[key]) for key in ALL_KEYS[:3]]
    listed = caller.get("/api/jobs").json()
    assert (len(listed["items"]), listed["complete"]) == (1, False)
    lines = text_of(caller, "/api/jobs?format=ndjson&columns=job_id,state").splitlines()
    assert sorted(map(json.loads, lines), key=lambda row: row["job_id"]) == sorted(
        ({"job_id": job["id"], "state": "ready"} for job in jobs), key=lambda row: row["job_id"]
    )
    for query, status in (
        ("columns=state", 400),
        ("format=csv&columns=x", 400),
        ("format=csv&cursor=x", 422),
    ):
        assert caller.get(f"/api/jobs?{query}").status_code == status, query
    assert caller.get("/api/jobs?format=xls").status_code == 422
    assert program("viewer").get("/api/jobs?format=csv").status_code == 403


def test_the_items_say_what_became_of_each(caller: Program, tables: dict[str, Any], monkeypatch: Any) -> None:
    """In pages that are bounded, and none is missing or twice."""
    monkeypatch.setattr(freezing, "CHUNK_KEYS", 4)
    monkeypatch.setattr(api, "PAGE_ITEMS", 5)
    monkeypatch.setattr(api, "PAGE_CHUNKS", 3)
    job = made(caller, action="requests.retry", keys=[*ALL_KEYS, "no-such", "ok-1"], pace=None)
    assert {"outcome": "skipped", "reason": "It is not there any more.", "count": 1} in job["reasons"]
    factories.put(tables["requests"], factories.request("req-00003", status="completed"))

    def listed(query: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(30):
            asked = [query, f"cursor={cursor}" if cursor else ""]
            page = caller.get(f"{job['url']}/items?{'&'.join(filter(None, asked))}").json()
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items
        raise AssertionError("no end")

    def keys(query: str = "") -> list[str]:
        return sorted(one["key"] for one in listed(query))

    assert keys() == sorted([*ALL_KEYS, "no-such", "ok-1"])
    assert keys("outcome=pending") == ALL_KEYS
    assert keys("outcome=done") == []
    assert caller.post(f"{job['url']}/start").status_code == 200
    run(job["id"])
    assert keys("outcome=skipped") == ["no-such", "ok-1", "req-00003"]
    skipped = next(one for one in listed("outcome=skipped") if one["key"] == "req-00003")
    assert skipped["reason"] == "It was failed at the preview, and is completed now."
    assert skipped["action_id"] is None
    done = listed("outcome=done")
    assert len(done) == 29
    assert done[0]["status"] == "failed"
    entry = caller.get(f"/api/audit/{done[0]['action_id']}").json()
    assert entry["target"]["id"] == done[0]["key"]
    assert caller.get(done[0]["url"]).json()["status"] == "pending"
    reasons = {one["reason"]: one["count"] for one in caller.get(job["url"]).json()["reasons"]}
    assert reasons["It was failed at the preview, and is completed now."] == 1
    assert caller.get(f"{job['url']}/items?outcome=bad").status_code == 422
    assert caller.get(f"{job['url']}/items?cursor=x").status_code == 400
    assert caller.get(f"{job['url']}/items?page=2").status_code == 422


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"keys": ["a"], "filter": {"status": "failed"}}, 422, "keys or a filter"),
        ({}, 422, "keys or a filter"),
        ({"keys": []}, 422, "/keys"),
        ({"keys": [""]}, 422, "/keys/0"),
        ({"keys": [7]}, 422, "/keys/0"),
        ({"keys": "req-1"}, 422, "/keys"),
        ({"keys": ["a"], "all": True}, 422, "/all"),
        ({"filter": {}}, 400, "It chooses everything"),
        ({"filter": {"range": "all"}}, 400, "It chooses everything"),
        ({"filter": {"outside": False}}, 400, "It chooses everything"),
        ({"filter": {"anycase": True}}, 400, "It chooses everything"),  # how `q` is compared
        ({"filter": {"anycase": True, "range": "all"}}, 400, "It chooses everything"),
        ({"filter": {"status": "failed"}, "all": True}, 400, "/all"),
        ({"filter": {"state": "failed"}}, 422, "There are: anycase, attention, case, from, outside, priority"),
        ({"filter": {"cursor": "x"}}, 422, "/filter/cursor: There is no such parameter"),
        ({"filter": {"sort": "newest"}}, 422, "/filter/sort: There is no such parameter"),
        ({"filter": {"status": ""}}, 422, "/filter/status: A value is needed"),
        ({"filter": {"status": None}}, 422, "/filter/status: A text is needed"),
        ({"filter": {"range": "2h"}}, 422, "/filter/range"),
        ({"filter": {"stuck": "often"}}, 422, "/filter/stuck"),
        ({"filter": {"stuck": False}}, 400, "It chooses everything"),
        ({"filter": {"from": "yesterday"}}, 422, "/filter/from: A time in ISO 8601"),
        ({"filter": {"from": 7}}, 422, "/filter/from"),
        ({"filter": {"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}}, 400, "/filter/to: It is before"),
        ({"filter": {"outside": True, "status": "failed"}}, 400, "/filter/outside"),
        ({"filter": [1]}, 422, "/filter"),
        ({"keys": ["a"], "reason": "\u0000"}, 422, "/reason"),
        ({"keys": ["a"], "reason": "x" * 2001}, 422, "/reason"),
        ({"keys": ["a"], "pace": {"first": 10}}, 422, "/pace/per_minute"),
        ({"keys": ["a"], "pace": {"first": 0, "per_minute": 1, "halt_share": 0}}, 422, "/pace/first"),
        ({"keys": ["a"], "pace": {"first": True, "per_minute": 1, "halt_share": 0}}, 422, "/pace/first"),
        ({"keys": ["a"], "pace": {"first": 1.5, "per_minute": 1, "halt_share": 0}}, 422, "/pace/first"),
        ({"keys": ["a"], "pace": {"first": int("9" * 38), "per_minute": 1, "halt_share": 0}}, 422, "/pace/first"),
        ({"keys": ["a"], "pace": {"first": 1, "per_minute": 1, "halt_share": 1.1}}, 422, "/pace/halt_share"),
        ({"keys": ["a"], "pace": {"first": 1, "per_minute": 1, "halt_share": "x"}}, 422, "/pace/halt_share"),
        ({"keys": ["a"], "colour": 1}, 422, "/colour"),
        ({"keys": ["a"], "action": "requests.edit"}, 422, "/action: There is no such action"),
        ({"keys": ["a"], "action": "requests.fail", "reason": " "}, 422, "/reason: It must say why"),
    ],
)  # fmt: skip
def test_what_has_no_one_meaning_is_refused_and_writes_nothing(
    caller: Program, tables: dict[str, Any], asked: dict[str, Any], status: int, said: str
) -> None:
    before = dump(tables)
    answer = caller.post("/api/jobs", {"action": "requests.retry", **asked})
    assert answer.status_code == status, answer.content
    assert said in answer.json()["detail"]
    assert dump(tables) == before


def test_bodies_that_no_one_means_are_answers(caller: Program, tables: dict[str, Any], settings: Any) -> None:
    settings.JOBS_MAX_ITEMS = 100
    before = dump(tables)
    for body in (
        b'{"action": "requests.retry", "keys": ["a"], "keys": ["b"]}',
        b'{"action": "requests.retry", "keys": ["a"], "pace": {"first": 1, "per_minute": 1, "halt_share": NaN}}',
        b'{"action": "requests.retry", "keys": ["\\ud800"]}',
        b'{"action": "requests.retry", "filter": {"status": "\\udfff"}}',
        b"{",
    ):
        assert caller.post("/api/jobs", body).status_code in (400, 422), body
    many = caller.post("/api/jobs", {"action": "requests.retry", "keys": [f"k{at}" for at in range(101)]})
    assert (many.status_code, many.json()["detail"]) == (
        422,
        "/keys: At most 100 items, as JOBS_MAX_ITEMS allows.",
    )
    settings.API_MAX_BODY = 2_000
    large = caller.post("/api/jobs", {"action": "requests.retry", "keys": ["k" * 100 for _ in range(30)]})
    assert large.status_code == 413
    assert dump(tables) == before


def test_one_key_makes_one_job(
    caller: Program, tables: dict[str, Any], program: Callable[..., Program]
) -> None:
    """Also of an undo, of the same change of state, and of what another caller sends."""
    body = {"action": "requests.purge", "filter": {"status": "failed", "range": "24h"}, "reason": "once"}
    first = caller.post("/api/jobs", body, Idempotency_Key="nightly")
    assert "Idempotency-Replayed" not in first
    again = caller.post("/api/jobs", body, Idempotency_Key="nightly")
    assert (again.status_code, again["Idempotency-Replayed"]) == (202, "true")
    assert again.json()["id"] == first.json()["id"]
    for other in (
        {**body, "reason": "other"}, {**body, "pace": None}, {**body, "action": "requests.retry"},
        {**body, "filter": {"status": "failed"}}, {**body, "keys": ["req-00001"], "filter": {}},
    ):  # fmt: skip
        other = {name: value for name, value in other.items() if value != {}}
        assert caller.post("/api/jobs", other, Idempotency_Key="nightly").status_code == 422, other
    keys = {"action": "requests.retry", "keys": ["req-00001", "req-00002"]}
    name = "7d0a2f64-3d3e-4a6e-9a8d-5b8f8f0d7a11"
    assert caller.post("/api/jobs", keys, Idempotency_Key=name).json()["id"] == name
    swapped = {**keys, "keys": ["req-00001", "req-00003"]}
    assert caller.post("/api/jobs", swapped, Idempotency_Key=name).status_code == 422
    other_caller = program("administrator", name="other")
    assert other_caller.post("/api/jobs", keys, Idempotency_Key=name).status_code == 422
    assert len(caller.get("/api/jobs").json()["items"]) == 2

    freeze(first.json()["id"])
    url = first.json()["url"]
    for number in range(2):
        started = caller.post(f"{url}/start", {"expected": 30}, Idempotency_Key="go")
        assert (started.status_code, "Idempotency-Replayed" in started) == (200, bool(number))
    assert caller.post(f"{url}/start", {"expected": 31}, Idempotency_Key="go").status_code == 422
    assert caller.post(f"{url}/pause", Idempotency_Key="go").status_code == 422
    assert caller.post(f"{url}/start", Idempotency_Key="go-again").status_code == 409
    for _ in range(2):
        assert caller.post(f"{url}/pause", {"reason": "x "}, Idempotency_Key="p").status_code == 200
    assert caller.post(f"{url}/pause", {"reason": "y"}, Idempotency_Key="p").status_code == 422
    assert caller.post(f"{url}/resume", Idempotency_Key="r").json()["state"] == "running"
    # Sent late, it changes nothing any more.
    assert caller.post(f"{url}/pause", {"reason": "x"}, Idempotency_Key="p").json()["state"] == "running"
    slow = {"pace": {"first": 1, "per_minute": 5, "halt_share": 0.125}}
    for _ in range(2):
        paced = caller.post(f"{url}/pace", slow, Idempotency_Key="slow")
        assert paced.json()["pace"] == slow["pace"]
    assert caller.post(f"{url}/pace", {"pace": None}, Idempotency_Key="slow").status_code == 422
    assert caller.post(f"{url}/pace", {"pace": None}).json()["pace"] is None
    assert caller.post(f"{url}/pace", {}).status_code == 422
    run(first.json()["id"])
    undone = [caller.post(f"{url}/undo", {"reason": "back"}, Idempotency_Key="u") for _ in range(2)]
    assert undone[0].json()["id"] == undone[1].json()["id"]
    assert undone[1]["Idempotency-Replayed"] == "true"
    assert caller.post(f"{url}/undo", {"reason": "other"}, Idempotency_Key="u").status_code == 422
    assert caller.post(f"{url}/retry-failed", {"reason": "back"}, Idempotency_Key="u").status_code == 422
    counted = [
        entry["action"]["S"] for entry in trail(tables["requests"]) if entry["action"]["S"].startswith("job:")
    ]
    assert sorted(counted) == sorted(
        ["job:start", "job:pause", "job:resume", "job:pace", "job:pace", "job:finish"]
    )


def test_a_token_does_what_its_scopes_and_its_person_may(
    caller: Program, tables: dict[str, Any], program: Callable[..., Program]
) -> None:
    """Whatever is asked of a job that acts, the caller needs the action's own permission."""
    job = made(caller, filter={"status": "failed"})
    url = job["url"]
    plain = program("operator", "jobs:run", name="plain")
    refused = plain.post("/api/jobs", {"action": "requests.retry", "keys": ["req-00001"]})
    assert (refused.status_code, refused.json()["scope"]) == (403, "requests:write")
    assert plain.get(url).status_code == 200
    for path in ("start", "resume", "undo", "retry-failed"):
        answer = plain.post(f"{url}/{path}")
        assert answer.status_code == (403 if path != "undo" else 409), path
        if path != "undo":
            assert answer.json()["scope"] == "request:purge"
    assert plain.post(f"{url}/pace", {"pace": None}).status_code == 403
    viewer = program("viewer", name="viewer")
    assert viewer.get(url).status_code == 200
    assert viewer.post("/api/jobs", {"action": "requests.retry", "keys": ["a"]}).status_code == 403
    assert viewer.post(f"{url}/stop").status_code == 403
    # A marking is an administrator's.
    mark = {"action": "requests.complete", "keys": ["req-00001"]}
    assert caller.post("/api/jobs", mark).status_code == 403
    assert (
        program("administrator", "jobs:run", "request:complete", name="a").post("/api/jobs", mark).status_code
        == 202
    )
    # To hold a job needs no more than to run jobs.
    assert caller.post(f"{url}/start").status_code == 200
    assert plain.post(f"{url}/pause").json()["state"] == "paused"
    assert plain.post(f"{url}/stop").json()["state"] == "stopped"


def test_every_action_on_many_has_a_scope() -> None:
    held = {permission for scope in all_scopes().values() for permission in scope.permissions}
    offered = [action for bulk in all_bulk().values() for action in bulk.offered]
    assert {one.permission for one in offered} <= held
    assert {permission for one in offered for permission in one.allowances.values()} <= held


def test_what_a_plan_allows_is_the_callers_own(
    caller: Program, tables: dict[str, Any], program: Callable[..., Program]
) -> None:
    """An unfinished request is purged only for who may: neither in the job of an operator, nor when an operator has an
    administrator's job done again."""
    factories.put(tables["requests"], factories.request("open", status="processing"))
    keys = ["open", "req-00001"]
    assert made(caller, keys=keys)["counts"]["eligible"] == 1
    assert (
        made(program("administrator", "jobs:run", "request:purge", name="a"), keys=["open"])["counts"][
            "eligible"
        ]
        == 1
    )
    admin = find(made(program("administrator", name="b"), keys=["req-00002"])["id"])
    assert admin
    assert admin.data == {"unfinished": True}
    states.change(admin, {"state": {"S": State.STOPPED}})
    again = caller.post(f"/api/jobs/{admin.id}/retry-failed")
    assert again.status_code == 202
    followed = find(again.json()["id"])
    assert followed
    assert followed.data == {"unfinished": False}


def test_a_second_person_is_no_token_of_the_first(
    caller: Program, tables: dict[str, Any], program: Callable[..., Program], settings: Any
) -> None:
    """Nor a service, which is nobody."""
    settings.JOBS_SECOND_PERSON = 10
    job = made(caller, filter={"status": "failed"})
    assert job["needs_second_person"]
    sentence = "A purge of more than 10 items needs a second person (JOBS_SECOND_PERSON): somebody else must start it."
    for other in (caller, program("operator", name="second"), program("operator", name="bot", service=True)):
        refused = other.post(f"{job['url']}/start")
        assert (refused.status_code, refused.json()["detail"]) == (403, sentence)
    assert program("administrator", name="third").post(f"{job['url']}/start").json()["state"] == "running"
    settings.JOBS_SECOND_PERSON = 30
    assert not caller.get(job["url"]).json()["needs_second_person"]


def test_what_failed_of_an_undo_is_undone_again_and_not_purged(
    caller: Program, tables: dict[str, Any]
) -> None:
    job = made(caller, filter={"status": "failed"})
    caller.post(f"{job['url']}/start")
    run(job["id"])
    undo = caller.post(f"{job['url']}/undo").json()
    freeze(undo["id"])
    run(undo["id"])
    again = caller.post(f"{undo['url']}/retry-failed").json()
    assert (again["action"], again["undoes"]) == ("requests.undo", job["id"])
    freeze(again["id"])
    assert caller.get(again["url"]).json()["state"] == "finished"  # nothing had failed
    assert len(scan(tables["requests"])) == 35


def test_a_purge_that_needs_two_does_not_start_itself(caller: Program, settings: Any) -> None:
    """When the failed ones are done again."""
    job = find(made(caller, filter={"status": "failed"})["id"])
    assert job
    settings.JOBS_SECOND_PERSON = 10
    follower = control.retry_failed(states.change(job, {"state": {"S": State.STOPPED}}), job.actor)
    with_all = {
        "source": {"S": json.dumps(json.loads(job.source.stored()) | {"filter": {"status": "failed"}})}
    }
    freezing.freeze(states.change(follower, with_all))
    found = find(follower.id)
    assert found
    assert (found.state, found.eligible) == (State.READY, 30)


def test_a_job_that_is_not_there_or_not_ours(caller: Program, tables: dict[str, Any]) -> None:
    # The last ones are longer than a key can be.
    for job_id in ("no-such", "x" * 2_049, "~C3~A9" * 1_100):
        for path in ("", "/items"):
            assert caller.get(f"/api/jobs/{job_id}{path}").status_code == 404
        assert caller.post(f"/api/jobs/{job_id}/start").status_code == 404
    job = find(made(caller, keys=["req-00001"])["id"])
    assert job
    with pytest.raises(Unreadable, match="knows no action request:paint"):  # written, and read again
        states.change(job, {"action": {"S": "request:paint"}})
    answer = caller.get(f"/api/jobs/{job.id}")
    assert (answer.status_code, answer.json()["title"]) == (404, "It can't be read")


def test_the_pace_is_the_actions_own_unless_another_is_sent(caller: Program) -> None:
    def pace(**body: Any) -> Any:
        return caller.post("/api/jobs", {"keys": ["req-00001"], **body}).json()["pace"]

    assert pace(action="requests.retry") == {"first": 10, "per_minute": 60, "halt_share": 0.2}
    assert pace(action="requests.retry", pace=None) is None
    assert pace(action="requests.cancel") is None
    own = {"first": 3, "per_minute": 2, "halt_share": 0.5}
    assert pace(action="requests.cancel", pace=own) == own

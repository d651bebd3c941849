"""The pages of jobs: from the list's form to the end of a job, for each role, state and wrong answer."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from opsportal.console.converters import quote_key
from opsportal.dynamo import clients
from opsportal.exports import asked
from opsportal.jobs import control, freezing, item_views, running, shown, states, store, views
from opsportal.jobs.job import Job, Outcome, Pace, State
from opsportal.jobs.work import action_id_of
from opsportal.operations import feeds
from opsportal.operations.changes import number, text
from opsportal.operations.entries import Target
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tags import Action
from tests import factories
from tests.exports.reading import entries, rows_of, text_of
from tests.jobs.test_jobs import OLGA, failed, finished, frozen
from tests.operations.places import scan
from tests.trouble import refused, trouble

pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]

ClientFor = Callable[[str], Client]
Tables = dict[str, Any]
HTMX = {"HX-Request": "true"}


def post_new(client: Client, **given: Any) -> Any:
    return client.post(reverse("jobs:new"), given)


def url(name: str, job: Job, **query: Any) -> str:
    return reverse(f"jobs:{name}", args=[job.id], query=query or None)


def said(response: Any) -> str:
    return " ".join(response.content.decode().split())


def words(response: Any) -> str:
    """What is read on it."""
    return " ".join(strip_tags(response.content.decode().partition("<main")[2]).split())


def the_job(job_id: str) -> Job:
    caches["process"].clear()  # what others look at is two seconds old
    found = store.find(job_id)
    assert found
    return found


def act(client: Client, name: str, job: Job, **given: Any) -> Any:
    return client.post(url(name, job), {"reason": "", "action_id": str(uuid.uuid4()), **given}, headers=HTMX)


# --- Making one ---------------------------------------------------------------------------------------------------


def test_a_list_makes_a_job_of_what_it_shows(tables: Tables, client_for: ClientFor) -> None:
    factories.put(tables["requests"], *failed(4))
    client = client_for("operator")
    hard = "x\n"
    query = f"status=failed&range=24h&cursor=x&q=+&user~={quote_key(hard)}"
    sent = {"action": "requests.purge", "all": "1", "query": query}
    asked = post_new(client, **sent)
    assert asked.status_code == 200
    assert "all requests that match" in said(asked)
    assert "Last 24 hours" in said(asked)
    job_id = asked.context["form"].initial["job_id"]
    assert store.find(job_id) is None
    for _ in range(2):  # a second click makes the same job
        made = post_new(client, **sent, reason="because", job_id=job_id)
        assert (made.status_code, made["Location"]) == (302, reverse("jobs:job", args=[job_id]))
    job = the_job(job_id)
    # The list's own reading of its parameters: a quoted value, no empty search, no cursor.
    assert (job.reason, job.source.filter) == ("because", {"status": "failed", "user": hard})
    assert job.source.since
    assert abs(job.created_at - job.source.since - timedelta(hours=24)) < timedelta(minutes=1)

    shown = post_new(client, action="requests.cancel", all="1", query="", reason="", job_id=str(uuid.uuid4()))
    job = the_job(shown["Location"].split("/")[-2])
    assert job.source.since, "the list shows seven days by default, not all time"
    assert abs(job.created_at - job.source.since - timedelta(days=7)) < timedelta(minutes=1)
    shown = post_new(
        client, action="agents.deactivate", all="1", query="range=1h", reason="", job_id=str(uuid.uuid4())
    )
    assert the_job(shown["Location"].split("/")[-2]).source.since is None, "the agents have no range"


def test_ticked_rows_become_a_job_whatever_their_keys_hold(tables: Tables, client_for: ClientFor) -> None:
    hard = 'a\r\nb"<script>'
    factories.put(tables["requests"], *failed(2), factories.request(hard, status="failed"))
    client = client_for("operator")
    sent = {
        "action": "requests.purge",
        "key": ["req-00000", "req-00001", "req-00000"],
        "key~": quote_key(hard),
    }
    asked = post_new(client, **sent, query="status=failed")
    assert "Purge: 3 requests" in said(asked)
    assert "<script>" not in said(asked).partition("<main")[2]
    assert 'href="/requests/?status=failed"' in said(asked)
    made = post_new(client, **sent, reason="", job_id=str(uuid.uuid4()))
    job = the_job(made["Location"].split("/")[-2])
    freezing.freeze(job)
    page = client.get(made["Location"])
    assert (page.status_code, the_job(job.id).eligible) == (200, 3)
    for path in (url("items", job), f"{url('items', job)}?outcome=pending"):
        assert f"/requests/{quote_key(hard)}/" in said(client.get(path))


def test_what_is_wrong_with_it_is_said_and_nothing_is_lost(
    tables: Tables, client_for: ClientFor, settings: Any
) -> None:
    client, job_id = client_for("operator"), str(uuid.uuid4())
    keys = [f"req-{at}" for at in range(1_001)]
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"action": "requests.expire", "key": "x"}, 422, "There is no such action for many items. There are:"),
        ({}, 422, "There is no such action"),
        ({"action": "requests.purge"}, 422, "No row is ticked"),
        ({"action": "requests.purge", "key": keys}, 422, "At most 1,000 rows can be ticked"),
        ({"action": "requests.purge", "all": 1, "query": "from=2026-02-01T00:00Z&to=2026-01-01T00:00Z"}, 422, "ends before it begins"),
        ({"action": "requests.fail", "key": "req-0", "reason": " ", "job_id": job_id}, 422, "Enter a reason: it becomes the error of each."),
        ({"action": "requests.fail", "key": "req-0", "reason": "a\x00b", "job_id": job_id}, 422, "value=\"req-0\""),
        ({"action": "requests.purge", "key": "req-0", "reason": "", "job_id": "x"}, 422, "the form has no valid job id"),
        ({"action": "requests.complete", "key": "req-0", "reason": "", "job_id": job_id}, 403, "You need the permission requests_app.complete_requests"),
    ]  # fmt: skip
    for sent, status, sentence in cases:
        answer = post_new(client, **sent)
        assert (answer.status_code, sentence in said(answer)) == (status, True), (sent, sentence)
    assert client_for("viewer").post(reverse("jobs:new"), {"action": "requests.purge"}).status_code == 403
    assert client.get(reverse("jobs:new"))["Location"] == reverse("jobs:list")

    sent = {"action": "requests.purge", "key": keys[:1_000], "reason": "because"}
    assert post_new(client, **sent, job_id=job_id).status_code == 302, "as many as can be ticked fit"
    other = post_new(client, **sent | {"reason": "another"}, job_id=job_id)
    assert (other.status_code, "This id belongs to another job already." in said(other)) == (409, True)
    settings.JOBS_MAX_OPEN = 1
    full = post_new(client, **sent, job_id=str(uuid.uuid4()))
    assert (full.status_code, "There are 1 open jobs already" in said(full)) == (409, True)
    settings.ACTIONS_OFF = True
    off = post_new(client, **sent, job_id=str(uuid.uuid4()))
    assert (off.status_code, "Actions are off" in said(off)) == (409, True)
    assert 'value="because"' in said(off)
    settings.ACTIONS_OFF, settings.JOBS_MAX_OPEN = False, 10
    with trouble(jobs_table_for(tables["requests"]), refused("ThrottlingException", "Rate exceeded")):
        late = post_new(client, **sent, job_id=str(uuid.uuid4()))
    assert (late.status_code, "gets more requests than" in said(late), 'value="because"' in said(late)) == (
        503,
        True,
        True,
    )


# --- The preview and its start --------------------------------------------------------------------------------------


def test_a_purge_is_started_by_its_count_and_in_a_strict_environment_by_its_name_too(
    tables: Tables, client_for: ClientFor, settings: Any
) -> None:
    factories.put(tables["requests"], *failed(12), factories.request("runs", status="processing"))
    job = frozen("requests.purge", filter={})
    client = client_for("operator")
    assert "13 matched 12 can be done 1 skipped" in words(client.get(url("job", job)))
    page = said(client.get(url("job", job)))
    assert "Purge 12 requests" in page
    assert "write units · " in page
    assert "req-00000" in page
    assert f"{url('items', job)}?outcome=skipped&amp;reason=" in page, "a reason leads to its items"
    given = {"pace": "once", "expected": 12, "count": "12"}
    for wrong, sentence in (
        ({"count": "13"}, "Type 12: that many items are deleted."),
        ({"count": ""}, "Type 12"),
        (
            {"pace": "paced", "first": "0", "per_minute": "7"},
            "Ensure this value is greater than or equal to 1.",
        ),
        ({"pace": "paced", "first": "5", "per_minute": ""}, "Enter a number."),
        ({"pace": "fast"}, "fast is not one of the available choices"),
    ):
        answer = client.post(url("start", job), given | wrong)
        assert (answer.status_code, sentence in said(answer)) == (422, True), wrong
    assert 'value="7"' in said(
        client.post(url("start", job), given | {"pace": "paced", "first": "0", "per_minute": "7"})
    )
    changed = client.post(url("start", job), given | {"expected": 11})
    assert (changed.status_code, "It would act on 12 items, not on 11." in said(changed)) == (409, True)
    assert client.get(url("start", job))["Location"] == url("job", job)
    assert client_for("viewer").post(url("start", job), given).status_code == 403
    assert "Your role (viewer) may not start it." in said(client_for("viewer").get(url("job", job)))

    settings.OPSPORTAL_ENV = "prod"
    assert "Type prod to confirm" in said(client.get(url("job", job)))
    assert "Type prod." in said(client.post(url("start", job), given | {"environment": "dev"}))
    settings.JOBS_SECOND_PERSON = 10
    made = states.change(job, {"actor_id": text("user:" + str(client.session["_auth_user_id"]))})
    own = client.post(url("start", job), given | {"environment": "prod"})
    assert (own.status_code, "needs a second person" in said(own)) == (403, True)
    assert '<form method="post" action="/jobs/' not in said(client.get(url("job", job))), (
        "no form for who may not"
    )
    assert the_job(job.id).state is State.READY
    answer = client_for("administrator").post(url("start", made), given | {"environment": "prod"})
    assert (answer.status_code, answer["Location"]) == (302, url("job", job))
    job = the_job(job.id)
    assert (job.state, job.started_by, job.pace) == (State.RUNNING, "administrator", None)
    late = client.post(url("start", job), given)
    assert late.status_code == 302, "a second click leads to the job"


def test_a_retry_has_a_pace_and_few_need_none(tables: Tables, client_for: ClientFor) -> None:
    factories.put(tables["requests"], *failed(12))
    client = client_for("operator")
    few = frozen("requests.retry", keys=["req-00000"])
    assert client.get(url("job", few)).context["start"].initial["pace"] == "once"
    assert client.post(url("start", few), {"pace": "once", "expected": 1}).status_code == 302
    assert the_job(few.id).pace is None
    job = frozen("requests.retry", keys=[f"req-{at:05}" for at in range(1, 12)])
    page = client.get(url("job", job))
    assert page.context["start"].initial["pace"] == "paced"
    assert "halts when" not in said(page), "its pace is in the form, and may change"
    sent = {"pace": "paced", "first": 3, "per_minute": 90, "halt_percent": 5, "expected": 11}
    client.post(url("start", job), sent)
    assert the_job(job.id).pace == Pace(3, 90, Decimal("0.05"))
    again = act(client, "pace", the_job(job.id), pace="once")
    assert (again.status_code, the_job(job.id).pace) == (204, None)
    wrong = act(client, "pace", the_job(job.id), pace="paced", first="x")
    assert (wrong.status_code, "Enter a whole number." in said(wrong)) == (422, True)


def test_a_start_changes_no_pace_that_the_person_left_as_it_is(tables: Tables, client_for: ClientFor) -> None:
    """Programs say the share to a thousandth, and also where no outcome is observed."""
    factories.put(tables["requests"], *failed(12))
    client = client_for("operator")
    for at, (action, share, percent) in enumerate(
        [
            ("requests.retry", Decimal("0.125"), "12.5"),
            ("requests.retry", Decimal("0.005"), "0.5"),
            ("requests.purge", Decimal("0.3"), ""),
        ]
    ):
        pace = Pace(2, 3, share)
        job = frozen(action, keys=[f"req-{at * 4 + one:05}" for one in range(4)], pace=pace)
        page = client.get(url("job", job))
        sent = {field.name: field.value() for field in page.context["start"] if field.value() is not None}
        assert str(sent.get("halt_percent", "")) == percent
        assert client.post(url("start", job), sent | {"count": "4"}).status_code == 302
        assert the_job(job.id).pace == pace
        assert Action.JOB_PACE not in {entry.action for entry in feeds.of_target(Target("requests", job.id))}
        if percent:
            assert f"halts when more than {percent} % failed again" in said(client.get(url("job", job)))


def test_a_start_that_is_refused_changes_no_pace(
    tables: Tables, client_for: ClientFor, settings: Any
) -> None:
    settings.JOBS_SECOND_PERSON = 1
    factories.put(tables["requests"], *failed(2))
    client = client_for("operator")
    made = post_new(
        client, action="requests.purge", key=["req-00000", "req-00001"], reason="", job_id=str(uuid.uuid4())
    )
    job = the_job(made["Location"].strip("/").rpartition("/")[2])
    freezing.freeze(job)
    sent = {"pace": "paced", "first": 1, "per_minute": 1, "expected": 2, "count": "2"}
    assert client.post(url("start", job), sent).status_code == 403
    assert the_job(job.id).pace is None


def test_a_preview_that_can_not_be_started_says_why(
    tables: Tables, client_for: ClientFor, settings: Any
) -> None:
    client = client_for("operator")
    empty = frozen("requests.purge", filter={})
    assert "There is nothing to do: the preview skips every item." in said(client.get(url("job", empty)))
    settings.JOBS_READY_SECONDS = 0
    factories.put(tables["requests"], *failed(1))
    old = frozen("requests.purge", filter={})
    assert "Its preview has expired. Make a new one." in said(client.get(url("job", old)))
    freezing.freeze_due(old.table, lambda: False)
    caches["process"].clear()
    assert "It was not started in time, so nothing was done." in said(client.get(url("job", old)))
    settings.JOBS_MAX_ITEMS = 1
    factories.put(tables["requests"], *failed(3))
    many = frozen("requests.purge", filter={})
    page = said(client.get(url("job", many)))
    assert "More than 1 items match" in page
    assert "<h1>Purge: requests <span" in page, "how many it is of was never known"


# --- How far it is ----------------------------------------------------------------------------------------------------


def test_a_job_is_followed_from_its_start_to_its_undo(tables: Tables, client_for: ClientFor) -> None:
    table = tables["requests"]
    factories.put(table, *failed(30))
    client = client_for("operator")
    job = frozen("requests.purge", filter={"status": "failed"})
    job = control.start(job, OLGA)
    assert "0 of 30" in words(client.get(url("job", job)))
    running.run(job, most=10)
    caches["process"].clear()
    page = client.get(url("job", job))
    assert 'aria-label="Progress: 10 done, 20 pending"' in said(page)
    assert "left" in words(page).partition("10 of 30")[2][:80], "how long it takes"
    for name, state in (("pause", State.PAUSED), ("resume", State.RUNNING)):
        assert f'href="{url(name, job)}"' in said(client.get(url("job", the_job(job.id))))
        assert f"{name.capitalize()} the job" in said(client.get(url(name, job)))
        answer = act(client, name, job, reason="for a while")
        assert (answer.status_code, the_job(job.id).state) == (204, state)
        refused = act(client, name, job)
        assert (refused.status_code, f"The job is {state}" in said(refused)) == (409, True)
    assert act(client_for("viewer"), "stop", job).status_code == 403
    # The newest are first; one that changed since is skipped, with its reason.
    factories.put(table, factories.request("req-00000", status="completed"))
    running.run(the_job(job.id))
    job = the_job(job.id)
    page = said(client.get(url("job", job)))
    assert 'aria-label="Progress: 29 done, 1 skipped"' in page
    assert 'data-live="finished"' in page
    assert "It was failed at the preview, and is completed now." in page
    assert [entry.action.verb for entry in feeds.of_target(Target("requests", job.id))][:1] == ["finish"]
    assert "Finished" in page
    skipped = client.get(
        url("items", job, outcome="skipped", reason="It was failed at the preview, and is completed now.")
    )
    assert [row.member.key for row in skipped.context["rows"]] == ["req-00000"]
    done = client.get(url("items", job, outcome="done"))
    entry = reverse("operations:entry", args=[action_id_of(job.id, "requests", "req-00029")])
    assert (len(done.context["rows"]), entry in said(done)) == (29, True)
    assert f'href="{url("job", job)}"' in said(client.get(entry)), "the entry leads to its job"
    feed = said(client.get("/audit/"))
    assert feed.count(f'href="{url("job", job)}"') == 4, (
        "started, paused, resumed, finished: one entry for each event"
    )
    assert not client.get(url("items", job, outcome="failed")).context["rows"]
    for odd in (
        "outcome=nonsense",
        "chunk=99",
        "chunk=-1",
        "chunk=x",
        "reason=no+such",
        "outcome=pending&chunk=1",
    ):
        assert client.get(f"{url('items', job)}?{odd}").status_code == 200, odd
    assert "Nothing failed." in said(client.get(url("retry-failed", job)))

    given = {"reason": "too much", "action_id": str(uuid.uuid4())}
    assert re.search(r"Possible until [\d-]{10} [\d:]{8} UTC\.", said(client.get(url("undo", job))))
    for _ in range(2):
        made = client.post(url("undo", job), given)
        assert (made.status_code, made["Location"]) == (302, reverse("jobs:job", args=[given["action_id"]]))
    undone = the_job(given["action_id"])
    assert (undone.undoes, undone.reason) == (job.id, "too much")
    freezing.freeze(undone)
    running.run(the_job(undone.id))
    assert len(scan(table)) == 30
    page = said(client.get(url("job", the_job(undone.id))))
    assert "Undo purge: 29 requests" in page
    assert f'href="{url("job", job)}"' in page


def test_each_button_is_there_in_its_states_and_says_why_not(
    tables: Tables, client_for: ClientFor, settings: Any, operator: Any
) -> None:
    factories.put(
        tables["requests"], *[factories.request(f"req-{at:05}", status="processing") for at in range(3)]
    )
    client = client_for("operator")

    def buttons(job: Job, by: Client = client) -> dict[str, str]:
        caches["process"].clear()
        return {one.action.label: one.why_not for one in by.get(url("job", job)).context["buttons"]}

    job = control.make("requests.complete", by=OLGA, filter={})
    assert buttons(job) == {"Discard": ""}
    freezing.freeze(job)
    assert client.post(url("start", job), {"pace": "once", "expected": 3}).status_code == 403
    assert "Your role (operator) may not start it." in said(client.get(url("job", job)))
    job = control.start(the_job(job.id), OLGA)
    lacks = "Your role (operator) may not do this."
    assert buttons(job) == {
        "Pause": "", "Change the pace": lacks, "Stop": "", "Retry the failed": lacks, "Undo all": lacks,
    }  # fmt: skip
    for name in ("pace", "undo", "retry-failed"):
        assert act(client, name, job, pace="once").status_code == 403, (
            "it takes the permission of the action too"
        )
    admin = client_for("administrator")
    assert buttons(job, admin)["Undo all"] == "It is running: stop it first, or wait until it is finished."
    assert buttons(job, admin)["Retry the failed"] == "Nothing failed."
    assert set(buttons(job, client_for("viewer")).values()) == {"Your role (viewer) may not do this."}
    settings.ACTIONS_OFF = True
    off = "Actions are off (ACTIONS=off): this console is read-only."
    assert {label for label, why in buttons(job, admin).items() if not why} == {"Pause", "Stop"}
    assert off in said(admin.get("/requests/")), "on every page"
    assert all(one.why_not == off for one in admin.get("/requests/req-00000/").context["buttons"])
    assert act(admin, "stop", job).status_code == 204
    settings.ACTIONS_OFF = False
    assert buttons(the_job(job.id), admin) == {"Retry the failed": "Nothing failed.", "Undo all": ""}
    assert off not in said(admin.get("/requests/"))
    assert act(admin, "stop", job).status_code == 409


def test_what_was_observed_is_shown_apart_from_what_was_done(tables: Tables, client_for: ClientFor) -> None:
    factories.put(tables["requests"], *failed(3))
    job = frozen("requests.retry", filter={"status": "failed"}, at_once=True)
    job = control.start(job, OLGA)
    running.run(job, most=3)
    counted = {"M": {"completed": number(1), "failed_again": number(1)}}
    halted = {"state": text("halted"), "why": text("2 of 3 failed again."), "outcomes": counted}
    job = states.change(the_job(job.id), halted)  # type: ignore[arg-type]
    client = client_for("operator")
    page = said(client.get(url("job", job)))
    assert 'aria-label="Progress: 1 completed, 1 failed again, 1 done"' in page
    assert "Halted. 2 of 3 failed again." in words(client.get(url("job", job)))
    assert {one.action.label: one.why_not for one in client.get(url("job", job)).context["buttons"]} == {
        "Resume": "", "Change the pace": "", "Stop": "", "Retry the failed": "",
    }  # fmt: skip
    answer = client.post(url("retry-failed", job), {"action_id": (job_id := str(uuid.uuid4()))})
    assert answer["Location"] == reverse("jobs:job", args=[job_id])
    assert the_job(job_id).source.job == job.id


# --- The list, polls, the notice ----------------------------------------------------------------------------------------


def test_the_list_has_open_jobs_first_and_tabs_by_state(tables: Tables, client_for: ClientFor) -> None:
    client = client_for("viewer")
    assert "No jobs yet" in said(client.get("/jobs/"))
    factories.put(tables["requests"], *failed(2))
    factories.put(tables["workflows"], factories.workflow("w-1"))
    caches["process"].clear()
    waits = frozen("workflows.purge", filter={})
    over = finished(frozen("requests.purge", filter={"status": "failed"}))
    caches["process"].clear()
    page = client.get("/jobs/")
    assert [one.job.id for one in page.context["rows"]] == [waits.id, over.id]
    assert "2 done" in said(page)
    for state, found in (("open", [waits.id]), ("finished", [over.id]), ("paused", []), ("<script>", [])):
        shown = client.get("/jobs/", {"state": state})
        assert [one.job.id for one in shown.context["rows"]] == found, state
        assert "<script>" not in said(shown).partition("<main")[2]
    seen = {**HTMX, "X-Seen": page.context["region"].seen}
    assert client.get("/jobs/", headers=seen).status_code == 204
    control.stop(waits, OLGA)
    caches["process"].clear()
    assert client.get("/jobs/", headers=seen).status_code == 200


def test_all_that_are_kept_are_exported_by_state_also_where_the_page_has_no_room(
    tables: Tables, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "LISTED", 1)
    client = client_for("operator")
    factories.put(tables["requests"], *failed(2))
    factories.put(tables["workflows"], factories.workflow("w-1"))
    over = finished(frozen("requests.purge", filter={"status": "failed"}))
    job = control.make("workflows.purge", by=OLGA, reason="=HYPERLINK(1)", filter={})
    freezing.freeze(job)
    caches["process"].clear()
    assert len(client.get("/jobs/").context["rows"]) == 1
    columns = "job_id,state,action,progress,reason"
    rows = text_of(client, f"/jobs/?format=ndjson&columns={columns}").splitlines()
    assert [json.loads(row) for row in rows] == [
        {
            "job_id": job.id, "state": "ready", "action": "workflow:purge",
            "progress": {"matched": 1, "eligible": 0}, "reason": "=HYPERLINK(1)",
        },
        {
            "job_id": over.id, "state": "finished", "action": "request:purge",
            "progress": {"matched": 2, "eligible": 2, "done": 2, "skipped": 0, "failed": 0, "pending": 0},
            "reason": "because",
        },
    ]  # fmt: skip
    (row,) = rows_of(text_of(client, "/jobs/?format=csv&state=open"))
    assert (row["job_id"], row["reason"], row["by"]) == (job.id, "'=HYPERLINK(1)", "olga")
    page = words(client.get("/jobs/?export=1&state=finished"))
    assert "Statefinished Rows1 Cost" in page
    started, ended = entries(tables, "workflows")[-2:]
    assert (started.action.value, ended.action.value, ended.count) == ("export:start", "export:finish", 1)
    assert "Jobs as CSV." in started.note
    viewer = client_for("viewer")
    assert "export=1" not in said(viewer.get("/jobs/"))
    assert viewer.get("/jobs/?format=csv").status_code == 403


def test_more_jobs_than_a_page_holds_are_exported_in_the_order_of_time(
    tables: Tables, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "PAGE_ITEMS", 2)
    factories.put(tables["requests"], *failed(1))
    made = [frozen("requests.purge", filter={"status": "failed"}) for _ in range(5)]
    control.stop(made[1], OLGA)
    control.stop(made[3], OLGA)
    rows = rows_of(text_of(client_for("operator"), "/jobs/?format=csv&columns=job_id,state"))
    assert [row["job_id"] for row in rows] == [job.id for job in reversed(made)]
    assert [row["state"] for row in rows] == ["ready", "stopped", "ready", "stopped", "ready"]


def test_many_viewers_cost_little_more_than_one(tables: Tables, client_for: ClientFor) -> None:
    factories.put(tables["requests"], *failed(5))
    job = control.start(frozen("requests.purge", filter={"status": "failed"}), OLGA)
    client = client_for("viewer")
    first = client.get(url("job", job))
    assert "Query" in first.wsgi_request.spending.operations
    seen = {**HTMX, "X-Seen": first.context["region"].seen}
    for _ in range(3):
        poll = client.get(url("job", job), headers=seen)
        assert (poll.status_code, set(poll.wsgi_request.spending.operations)) == (204, {"GetItem"})
    job = control.pause(job, OLGA)
    assert "Paused." in said(client.get(url("job", job), headers=seen)), "a change of state is seen at once"


def test_a_notice_follows_who_started_it_until_its_end(tables: Tables, client_for: ClientFor) -> None:
    factories.put(tables["requests"], *failed(3))
    client, other = client_for("operator"), client_for("administrator")

    def cost(by: Client) -> int:
        by.get("/jobs/")
        with CaptureQueriesContext(connection) as queries:
            by.get("/jobs/")
        return len(queries)

    before = cost(client)
    made = post_new(client, action="requests.purge", all="1", query="", reason="", job_id=str(uuid.uuid4()))
    job = the_job(made["Location"].split("/")[-2])
    assert cost(client) == before, "what a page needs to know of it is in the session"
    assert 'id="job-notice"' in said(client.get("/jobs/"))
    assert 'id="job-notice"' not in said(other.get("/jobs/"))
    assert other.get(reverse("jobs:notice")).status_code == 286
    for step, word in ((freezing.freeze, "ready"), (lambda job: control.start(job, OLGA), "0 %")):
        step(the_job(job.id))
        caches["process"].clear()
        answer = client.get(reverse("jobs:notice"), headers=HTMX)
        assert (answer.status_code, word in said(answer), url("job", job) in said(answer)) == (
            200,
            True,
            True,
        )
    on_its_page = {**HTMX, "HX-Current-URL": f"http://testserver{url('job', job)}"}
    assert said(client.get(reverse("jobs:notice"), headers=on_its_page)) == ""
    running.run(the_job(job.id))
    caches["process"].clear()
    last = client.get(reverse("jobs:notice"), headers=HTMX)
    assert (last.status_code, "finished" in said(last)) == (286, True)
    assert "Purge: 3 requests is finished: 3 done." in last["HX-Trigger"]
    assert 'id="job-notice"' not in said(client.get("/jobs/"))
    assert said(client.get(reverse("jobs:notice"), headers=HTMX)) == ""


def test_a_job_that_is_not_there_or_not_understood_is_no_error(tables: Tables, client_for: ClientFor) -> None:
    client = client_for("operator")
    assert client.get(reverse("jobs:job", args=[str(uuid.uuid4())])).status_code == 404
    for broken in (
        {"action": text("request:teleport")},
        {"state": text("dreaming")},
        {"pace": text('{"first": 1}')},
    ):
        job = control.make("requests.purge", by=OLGA, filter={})
        clients.client(*job.table.location).update_item(
            TableName=jobs_table_for(job.table).name,
            Key=job.key,
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": next(iter(broken))},
            ExpressionAttributeValues={":value": next(iter(broken.values()))},
        )
        caches["process"].clear()
        assert client.get(url("job", job)).status_code == 404, broken
        assert client.get("/jobs/").status_code == 200, broken


def test_the_items_of_many_chunks_are_paged_and_chunks_without_any_are_left_out(
    tables: Tables, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezing, "CHUNK_KEYS", 3)
    factories.put(tables["requests"], *failed(20))
    job = frozen("requests.purge", keys=[f"req-{at:05}" for at in range(20)])
    assert job.chunks == 7
    factories.put(tables["requests"], factories.request("req-00019", status="completed"))
    job = finished(job)
    client = client_for("viewer")
    monkeypatch.setattr(item_views, "PAGE_SIZE", 5)
    keys: list[str] = []
    path = url("items", job)
    while path:
        page = client.get(path)
        assert len(page.context["rows"]) <= 6, "two chunks fill a page"
        keys += [row.member.key for row in page.context["rows"]]
        path = page.context["page"]["next_url"]
    assert sorted(keys) == [f"req-{at:05}" for at in range(20)]
    found = client.get(url("items", job, outcome="skipped"))
    assert [row.member.key for row in found.context["rows"]] == ["req-00019"]
    # No more than a few chunks are read for one page, however seldom a reason is.
    far = client.get(url("items", job, outcome="done", reason="none has it"))
    assert far.context["page"]["next_url"].endswith(f"chunk={item_views.CHUNKS}")
    assert "None found so far" in said(far)


def test_each_outcome_has_its_word() -> None:
    assert set(shown.OUTCOMES) == set(Outcome)

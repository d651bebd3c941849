"""The pages of failures: the list, a case in each of its states, and what people do with it."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.test import Client
from django.utils.html import strip_tags

from opsportal.accounts.actors import user_id
from opsportal.dynamo import clients
from opsportal.dynamo.errors import Throttled
from opsportal.failures import store
from opsportal.failures.case import MAX_NOTES, Case, Note, State, part_key
from opsportal.failures.fingerprint import OTHERS
from opsportal.failures.words import UNTIL_CLOSED
from opsportal.jobs import freezing
from opsportal.jobs import store as jobs
from opsportal.operations import feeds
from opsportal.operations.entries import Target
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tags import Action
from tests.exports.reading import rows_of
from tests.factories import ago, request, step, workflow, zulu
from tests.factories import put as put_items
from tests.failures.cases import ERROR, case_of, follow, now_of, put

pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]

ClientFor = Callable[[str], Client]
HTMX = {"HX-Request": "true"}


def main_of(response: Any) -> str:
    return str(response.content.decode().partition("<main")[2])


def words(response: Any) -> str:
    """What is read on the page."""
    return " ".join(strip_tags(main_of(response)).split())


def do(client: Client, case: Case, verb: str, **given: str) -> Any:
    given.setdefault("action_id", str(uuid.uuid4()))
    return client.post(f"/failures/{case.id}/{verb}/", given, headers=HTMX)


def entry_of(case: Case) -> Any:
    return feeds.of_target(Target(case.logical, case.id))[0]


def stored(case: Case, part: str) -> Any:
    jobs = jobs_table_for(case.table)
    return (
        clients.client(*jobs.location).get_item(TableName=jobs.name, Key=part_key(case.id, part)).get("Item")
    )


NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=4)


@pytest.fixture
def five(tables: Any) -> dict[str, Case]:
    """A case in each state, by its name."""
    return {
        "open": case_of(),
        "reopened": case_of("Page 4 could not be read", reopened=True, reopened_at=NOW),
        "acknowledged": case_of("Timed out", state=State.ACKNOWLEDGED, owner="maria", owner_id="user:77"),
        "muted": case_of("Quota is used up", logical="requests", muted_until=LATER, runs={2: 9}),
        "resolved": case_of(
            "No such file", state=State.RESOLVED, closed_by="olga", closed_at=NOW, reason="Restored"
        ),
    }


def test_the_list_has_a_tab_for_each_state_and_filters_and_orders(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    put(*five.values())
    follow("workflows", "requests")
    client = client_for("viewer")
    page = client.get("/failures/")
    said = words(page)
    assert "Active4Open1Reopened1Acknowledged1Muted1Resolved" in said
    assert "4 cases" in said
    assert "History begins".lower() in said.lower()
    assert "No worker follows" not in said
    assert "Assign to me" not in said, "a viewer can't"
    # Unassigned first, then what somebody works on, and what is muted.
    ids = re.findall(r'data-row-link>|href="/failures/([0-9a-f]{16})/" data-row-link', page.content.decode())
    shown = [one for one in ids if one]
    assert set(shown[:2]) == {five["open"].id, five["reopened"].id}
    for state, case in five.items():
        page = client.get(f"/failures/?state={state}").content.decode()
        assert re.findall(r'href="/failures/([0-9a-f]{16})/" data-row-link', page) == [case.id], state
        assert f"<bdi>{state}</bdi>" in page
    by_runs = client.get("/failures/?order=runs&window=7d").content.decode()
    assert re.findall(r'href="/failures/([0-9a-f]{16})/" data-row-link', by_runs)[0] == five["muted"].id
    assert words(client.get("/failures/?table=requests")).count("Quota") == 1
    assert "Timed out" not in words(client.get("/failures/?owner=none"))
    assert "No cases match" in words(client.get("/failures/?owner=user:1"))
    # Nonsense is no 500, and what is asked for as a state is text of others.
    assert client.get("/failures/?state=<b>&window=x&order=y&table=z&owner=%00").status_code == 200


def test_a_row_has_its_error_with_marks_its_runs_of_the_window_and_a_way_to_take_it(
    tables: Any, client_for: ClientFor, operator: User
) -> None:
    hostile = case_of('<script>alert(1)</script> failed 3 times for <n> \u202e "x"', runs={0: 4, 30: 9})
    put(hostile)
    client = client_for("operator")
    page = client.get("/failures/").content.decode()
    assert "<script>alert" not in page
    assert 'failed <i class="var">n</i> times' in page
    assert "No worker follows the failures of Workflows and Requests" in " ".join(strip_tags(page).split())
    assert '<td class="is-num" data-label="Runs"><span class="num">4</span>' in page
    week = client.get("/failures/?window=7d").content.decode()
    assert '<td class="is-num" data-label="Runs"><span class="num">13</span>' in week
    assert f'name="owner" value="{user_id(operator)}"' in page
    assert do(client, hostile, "assign", owner=user_id(operator)).status_code == 204
    assert "Assign to me" not in words(client.get("/failures/"))
    assert now_of(hostile).owner == "operator"


def test_the_case_of_the_rest_of_a_flood_is_named_in_words(tables: Any, client_for: ClientFor) -> None:
    case = put(case_of(OTHERS))
    client = client_for("viewer")
    for path in ("/failures/", f"/failures/{case.id}/"):
        page = words(client.get(path))
        assert "other errors of this step" in page
        assert OTHERS not in page


def test_the_list_is_exported_with_its_filter_order_and_columns(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    put(*five.values())
    client = client_for("operator")
    answer = client.get("/failures/?format=ndjson&order=runs&window=7d&columns=state,error,runs")
    rows = [json.loads(line) for line in b"".join(answer.streaming_content).decode().splitlines()]
    assert rows[0] == {"state": "muted", "error": "Quota is used up", "runs": 9}
    assert {row["state"] for row in rows} == {*five} - {"resolved"}
    answer = client.get("/failures/?format=csv&state=resolved")
    (row,) = rows_of(b"".join(answer.streaming_content).decode())
    assert (row["state"], row["error"]) == ("resolved", "No such file")
    # Which the page's cell of the error says too.
    case = five["resolved"]
    assert (row["case_id"], row["table"], row["step"]) == (case.id, case.logical, case.label)
    assert client_for("viewer").get("/failures/?format=csv").status_code == 403


def test_one_click_on_a_row_shows_the_owner_in_place_of_the_button(
    tables: Any, client_for: ClientFor, operator: User
) -> None:
    case = put(case_of())
    client, given = client_for("operator"), {"owner": user_id(operator), "row": "1"}
    answer = do(client, case, "assign", **given)
    assert answer.status_code == 200
    assert answer["HX-Retarget"] == f"#take-{case.id}"
    assert "console:refresh" in answer["HX-Trigger"]
    assert strip_tags(answer.content.decode()) == "operator"
    # A second person's click is refused in the dialog, with who has it.
    assert do(client, case, "assign", **given).status_code == 409
    plain = client.post(
        f"/failures/{case.id}/assign/", {"owner": "", "row": "1", "action_id": str(uuid.uuid4())}
    )
    assert plain.status_code == 302


def test_the_share_is_of_the_runs_that_ended_as_the_overview_counts_them(
    tables: Any, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(case_of(runs={0: 2, 30: 5}))
    stamps = {"createdAt": zulu(ago(minutes=9)), "lastUpdated": zulu(ago(minutes=3))}
    statuses = ("completed", "failed", "completed", "failed", "processing")
    put_items(
        tables["workflows"],
        *(workflow(f"s-{n}", overallStatus=one, **stamps) for n, one in enumerate(statuses)),
    )
    client = client_for("viewer")
    assert 'data-label="Share"><span class="none">' in client.get("/failures/").content.decode(), (
        "nobody has counted"
    )
    client.get("/panels/workflows/")
    assert 'data-label="Share">50.0\u00a0%<' in client.get("/failures/").content.decode()
    assert "50.0 % of those that ended" in words(client.get(f"/failures/{case_of().id}/"))


def test_the_navigation_counts_what_nobody_has_taken_notice_of_and_reads_no_table(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    put(*five.values())
    client = client_for("operator")
    assert 'class="nav-count"' not in client.get("/alerts/").content.decode(), "nobody has read it yet"
    client.get("/failures/")
    caches["process"].clear()
    page = client.get("/alerts/")
    assert page.content.decode().count('<span class="nav-count">2</span>') == 2, (
        "the sidebar's and the narrow menu's"
    )
    assert do(client, five["open"], "acknowledge").status_code == 204
    assert '<span class="nav-count">1</span>' in client.get("/alerts/").content.decode()


def test_the_overview_has_the_most_urgent_cases(five: dict[str, Case], client_for: ClientFor) -> None:
    put(*five.values())
    follow("workflows", "requests")
    panel = " ".join(strip_tags(client_for("viewer").get("/panels/failures/").content.decode()).split())
    assert "Open cases" in panel
    assert "Too many tokens" in panel
    assert "Timed out" not in panel
    assert "2 acknowledged or muted" in panel


def test_only_who_may_see_cases_is_led_to_one(tables: Any, client_for: ClientFor) -> None:
    failed = step("error", error=ERROR, completedAt=zulu(ago(minutes=3)))
    put_items(tables["workflows"], workflow("tm-1", overallStatus="failed", tradeExtraction=failed))
    put_items(tables["requests"], request("r-1", status="failed", errors=["Boom"]))
    case = put(case_of(), keys=["tm-1"])
    assert do(client_for("operator"), case, "acknowledge").status_code == 204
    somebody = User.objects.create_user("somebody", is_staff=True)
    seen = ("view_workflows", "view_requests", "view_audit", "view_agents")
    somebody.user_permissions.set(Permission.objects.filter(codename__in=seen))
    others = Client()
    others.force_login(somebody, backend="django.contrib.auth.backends.ModelBackend")
    viewer = client_for("viewer")
    pages = (
        "/workflows/", "/workflows/tm-1/", "/requests/", "/requests/r-1/", "/requests/r-1/logs/",
        "/audit/?range=all", f"/audit/{entry_of(case).action_id}/", f"/search/?q={case.id}&stay=1",
    )  # fmt: skip
    for page in pages:
        assert "/failures/" in main_of(viewer.get(page)), page
        answer = others.get(page)
        assert answer.status_code in (200, 404), page
        assert "/failures/" not in main_of(answer), page
    assert "/failures/" not in main_of(others.get("/?read=1"))


def test_a_poll_of_what_has_not_changed_is_answered_204(five: dict[str, Case], client_for: ClientFor) -> None:
    case = put(five["open"], keys=["tm-1"])
    client = client_for("operator")
    for url in ("/failures/", f"/failures/{case.id}/"):
        seen = re.search(r"X-Seen&quot;: &quot;([^&]+)", client.get(url).content.decode())
        assert seen
        headers = HTMX | {"X-Seen": seen[1]}
        assert client.get(url, headers=headers).status_code == 204
        put(replace(case, count=9, owner="x", owner_id="user:5"))
        assert client.get(url, headers=headers).status_code == 200
        put(case)


def test_the_page_of_a_case_has_its_runs_its_error_as_recorded_and_its_history(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    case = put(five["open"], keys=["tm-1", "tm-2"])
    page = client_for("operator").get(f"/failures/{case.id}/")
    said = words(page)
    assert "Too many tokens in n s" in said
    assert 'href="/workflows/tm-1/"' in page.content.decode()
    assert "Failed runs an hour" in said
    assert "StepTrade extraction" in said.replace("Step ", "Step")
    assert f"/audit/?target={case.id}" in page.content.decode()


def test_an_error_text_that_is_the_same_in_each_run_is_shown_once(tables: Any, client_for: ClientFor) -> None:
    failed = step("error", error="Broken pipe", completedAt=zulu(ago(minutes=3)))
    stamps = {"createdAt": zulu(ago(minutes=9)), "lastUpdated": zulu(ago(minutes=3))}
    put_items(tables["workflows"], workflow("tm-1", overallStatus="failed", tradeExtraction=failed, **stamps))
    put_items(
        tables["workflows"],
        workflow("tm-2", overallStatus="failed", tradeExtraction={**failed, "error": ERROR}, **stamps),
    )
    client = client_for("operator")
    same, other = put(case_of("Broken pipe"), keys=["tm-1"]), put(case_of(ERROR), keys=["tm-2"])
    page = words(client.get(f"/failures/{same.id}/"))
    assert "as recorded" not in page
    assert "marked parts" not in page
    page = words(client.get(f"/failures/{other.id}/"))
    assert "as recorded" in page
    assert "marked parts" in page


def test_a_case_that_is_not_there_yet_is_404_and_asked_for_again(tables: Any, client_for: ClientFor) -> None:
    client = client_for("viewer")
    for unknown in ("0123456789abcdef", "a" * 3_000):
        page = client.get(f"/failures/{unknown}/")
        assert page.status_code == 404
        assert "The worker opens a case within a minute" in words(page)
        assert "more than 72 hours before they failed" in words(page)
        assert "data-live=" in page.content.decode()
    assert do(client_for("operator"), case_of(), "acknowledge").status_code == 404


def test_a_case_of_another_version_is_no_error_of_the_console(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    case = five["open"]
    jobs = jobs_table_for(case.table)
    broken = case.to_item() | {"state": {"S": "exploded"}, "count": {"S": "x"}}
    clients.client(*jobs.location).put_item(TableName=jobs.name, Item=broken)
    client = client_for("operator")
    assert client.get("/failures/").status_code == 200
    page = client.get(f"/failures/{case.id}/")
    assert page.status_code == 404
    assert "can't read the case" in words(page).replace("&#x27;", "'")


# --- What people do -----------------------------------------------------------------------------------------------


def test_each_action_changes_the_case_and_leaves_an_entry_in_one_transaction(
    tables: Any, client_for: ClientFor, operator: User
) -> None:
    case = put(case_of(), keys=["tm-1"])
    client, me = client_for("operator"), user_id(operator)
    done: list[tuple[str, dict[str, str], Action, Callable[[Case], bool]]] = [
        (
            "acknowledge",
            {"reason": "on it"},
            Action.CASE_ACKNOWLEDGE,
            lambda now: now.state is State.ACKNOWLEDGED,
        ),
        (
            "assign",
            {"owner": me},
            Action.CASE_ASSIGN,
            lambda now: (now.owner, now.owner_id) == ("operator", me),
        ),
        (
            "note",
            {"reason": "Quota asked for"},
            Action.CASE_NOTE,
            lambda now: now.notes[-1].text == "Quota asked for",
        ),
        ("mute", {"length": "4h"}, Action.CASE_MUTE, lambda now: now.is_muted(NOW + timedelta(hours=3))),
        ("resolve", {"reason": "Quota raised"}, Action.CASE_RESOLVE, lambda now: now.state is State.RESOLVED),
        ("reopen", {}, Action.CASE_REOPEN, lambda now: now.state is State.OPEN and now.reopened),
    ]
    for n, (verb, given, tag, holds) in enumerate(done, 1):
        answer = do(client, case, verb, **given)
        assert answer.status_code == 204, (verb, answer.content.decode())
        now = now_of(case)
        assert holds(now), verb
        assert now.edition == n
        entry = entry_of(case)
        assert (entry.action, entry.actor.id, entry.reason) == (tag, me, given.get("reason", "")), verb
        if verb == "resolve":
            assert (now.closed_by, now.reason, now.muted_until, now.owner) == (
                "operator", "Quota raised", None, "operator",
            )  # fmt: skip
            assert "ttl" in stored(case, "meta")
            assert "ttl" in stored(case, "keys")
            assert [one.id for one in store.resolved()] == [case.id]
            assert not store.active()
    assert "ttl" not in stored(case, "meta")
    assert "ttl" not in stored(case, "keys")
    assert [one.id for one in store.active()] == [case.id]
    assert "Last resolved" in words(client.get(f"/failures/{case.id}/"))
    # The trail leads to it.
    feed = client.get(f"/audit/?target={case.id}").content.decode()
    assert f'href="/failures/{case.id}/"' in feed
    assert "Case reopened" in feed
    entry = client.get(f"/audit/{entry_of(case).action_id}/")
    assert entry.status_code == 200
    assert f'href="/failures/{case.id}/"' in entry.content.decode()


def test_what_the_state_forbids_is_refused_and_writes_nothing(
    five: dict[str, Case], client_for: ClientFor
) -> None:
    client = client_for("operator")
    put(*five.values())
    for case, verb, given, sentence in (
        (five["acknowledged"], "acknowledge", {}, "It is already acknowledged"),
        (five["resolved"], "acknowledge", {}, "resolved by olga. Reopen it first"),
        (five["resolved"], "resolve", {"reason": "again"}, "Reopen it first"),
        (five["resolved"], "mute", {"length": "1h"}, "Reopen it first"),
        (five["open"], "reopen", {}, "It is already open"),
        (five["open"], "assign", {"owner": ""}, "It already has no owner"),
    ):
        answer = do(client, case, verb, **given)
        assert answer.status_code == 409, (verb, answer.content.decode())
        assert sentence in answer.content.decode(), verb
        assert now_of(case) == case
        assert not feeds.of_target(Target(case.logical, case.id))


def test_what_is_missing_or_wrong_in_a_form_is_said_at_its_field(tables: Any, client_for: ClientFor) -> None:
    case = put(case_of())
    client = client_for("operator")
    past = (NOW - timedelta(days=1)).isoformat()[:16]
    for verb, given, sentence in (
        ("resolve", {"reason": "  "}, "Enter what fixed it."),
        ("note", {"reason": ""}, "Write a note."),
        ("note", {"reason": "x" * 1_001}, "at most 1000 characters"),
        ("assign", {"owner": "user:999"}, "user:999 is not one of the available choices"),
        ("mute", {"length": "date", "date": "soon"}, "Enter a date and a time"),
        ("mute", {"length": "date", "date": past}, "Enter a time in the future"),
        ("mute", {"length": "forever"}, "forever is not one of the available choices"),
        ("mute", {"length": "1h", "action_id": "x"}, "no valid action id"),
    ):
        answer = do(client, case, verb, **given)
        assert answer.status_code == 422, verb
        assert sentence in answer.content.decode(), verb
    assert now_of(case).edition == 0


def test_a_case_is_muted_until_a_date_or_until_it_is_closed_and_the_mute_ends(
    tables: Any, client_for: ClientFor
) -> None:
    case = put(case_of())
    client = client_for("operator")
    assert do(client, case, "mute", length="closed").status_code == 204
    assert now_of(case).muted_until == UNTIL_CLOSED
    muted = words(client.get(f"/failures/{case.id}/"))
    assert "muted until it is resolved" in muted
    assert "Change or end mute" in muted
    assert "until resolved" in words(client.get("/failures/"))
    day = (NOW + timedelta(days=3)).replace(second=0, microsecond=0)
    assert do(client, case, "mute", length="date", date=day.strftime("%Y-%m-%dT%H:%M")).status_code == 204
    assert now_of(case).muted_until == day
    ended = do(client, case, "mute", length="end")
    assert "The mute has ended." in ended["HX-Trigger"]
    assert now_of(case).muted_until is None
    assert entry_of(case).note == "not muted any more"
    assert "Change or end mute" not in words(client.get(f"/failures/{case.id}/"))


def test_a_second_click_is_no_second_action_and_another_text_under_its_id_is_refused(
    tables: Any, client_for: ClientFor
) -> None:
    case = put(case_of())
    client, action_id = client_for("operator"), str(uuid.uuid4())
    for _ in range(2):
        assert do(client, case, "note", reason="once", action_id=action_id).status_code == 204
    assert [one.text for one in now_of(case).notes] == ["once"]
    answer = do(client, case, "note", reason="another", action_id=action_id)
    assert answer.status_code == 409
    assert "Reload the page" in answer.content.decode()
    assert do(client, case, "mute", length="1h", action_id=action_id).status_code == 409
    assert now_of(case).edition == 1


def test_somebody_who_was_quicker_is_not_overwritten(
    tables: Any, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = put(case_of())
    find = store.find

    def before_the_other(case_id: str) -> Case | None:
        found = find(case_id)
        monkeypatch.setattr(store, "find", find)
        put(replace(case, edition=1, state=State.RESOLVED, closed_by="olga", closed_at=NOW, reason="fixed"))
        return found

    client = client_for("operator")
    monkeypatch.setattr(store, "find", find)
    # The view reads it first, the transaction's planner next: the other comes between that and the commit.
    reads = iter([find, before_the_other])
    monkeypatch.setattr(store, "find", lambda case_id: next(reads, find)(case_id))
    answer = do(client, case, "acknowledge")
    assert answer.status_code == 409
    assert "resolved by olga" in answer.content.decode()
    assert now_of(case).state is State.RESOLVED


def test_what_is_done_is_said_to_be_done_though_the_figures_cant_be_read(
    tables: Any, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = put(case_of())
    client, find = client_for("operator"), store.find
    # The view reads it, then the planner; what follows the commit is refused.
    reads = iter([find, find])

    def failing(case_id: str) -> Case | None:
        read = next(reads, None)
        if read is None:
            raise Throttled("DynamoDB is throttling.", "Wait a moment.")
        return read(case_id)

    monkeypatch.setattr(store, "find", failing)
    assert do(client, case, "acknowledge").status_code == 204
    monkeypatch.setattr(store, "find", find)
    assert now_of(case).state is State.ACKNOWLEDGED


def test_its_runs_are_retried_by_a_job_and_what_hangs_is_marked_failed_by_one(
    tables: Any, client_for: ClientFor, settings: Any
) -> None:
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/1/commands"
    stamps = {"createdAt": zulu(ago(minutes=9)), "lastUpdated": zulu(ago(minutes=3))}
    failed = step("error", error=ERROR, completedAt=zulu(ago(minutes=3)))
    other = step("error", error="Page 4 is empty", completedAt=zulu(ago(minutes=3)))
    put_items(
        tables["workflows"],
        workflow("tm-1", overallStatus="processing", **stamps),
        workflow("tm-2", overallStatus="failed", tradeExtraction=failed, **stamps),
        workflow("tm-3", overallStatus="failed", tradeExtraction=other, **stamps),
    )
    case = put(case_of(), keys=["tm-1", "tm-2"])
    client = client_for("operator")
    page = client.get(f"/failures/{case.id}/").content.decode()
    assert f'href="/workflows/?case={case.id}&amp;range=7d"' in page
    assert "Retry 3 runs" in words(client.get(f"/failures/{case.id}/"))
    assert re.findall(r'name="key~" value="(.*?)"', page) == ["tm-1", "tm-2"]  # of the mark alone
    for name, given, matched, eligible in (
        ("workflows.retry", {"all": "1"}, 1, 1),
        # The newest was retried and hangs; the other one has failed already.
        ("workflows.fail", {"key~": ["tm-1", "tm-2"]}, 2, 1),
    ):
        assert f'name="action" value="{name}"' in page
        job_id = str(uuid.uuid4())
        sent = {
            "action": name,
            "query": f"case={case.id}&range=7d",
            "reason": "quota raised",
            "job_id": job_id,
        }
        assert client.post("/jobs/new/", sent | given).status_code == 302
        job = jobs.find(job_id)
        assert job
        freezing.freeze(job)
        job = jobs.find(job_id)
        assert job
        assert (job.matched, job.eligible) == (matched, eligible), (name, job.reasons, job.problem)
    # Nothing of it for who may not: no form, and no way around it.
    viewer = client_for("viewer")
    assert 'method="post"' not in viewer.get(f"/failures/{case.id}/").content.decode().partition("<main")[2]
    assert do(viewer, case, "acknowledge").status_code == 403


def test_the_rest_of_a_flood_offers_the_runs_that_it_keeps(tables: Any, client_for: ClientFor) -> None:
    """Its runs have errors of many kinds: nothing in them says that they are of this case."""
    case = put(case_of(OTHERS), keys=["tm-1", "tm-2"])
    client = client_for("operator")
    page = client.get(f"/failures/{case.id}/").content.decode()
    assert "?case=" not in page
    assert 'name="all"' not in page
    assert re.findall(r'name="key~" value="(.*?)"', page) == ["tm-1", "tm-2"]
    assert "Retry 2 runs" in words(client.get(f"/failures/{case.id}/"))
    missing = words(client.get("/failures/0123456789abcdef/"))
    assert "200 cases" in missing


def test_the_worker_may_count_while_a_person_acts(tables: Any, client_for: ClientFor) -> None:
    case = put(case_of())
    client = client_for("operator")
    page = client.get(f"/failures/{case.id}/").content.decode()
    given = re.search(r'value="([0-9a-f-]{36})" id="acknowledge-action_id"', page)
    assert given
    put(replace(case, count=50))
    assert do(client, case, "acknowledge", action_id=given[1]).status_code == 204
    assert (now_of(case).count, now_of(case).state) == (50, State.ACKNOWLEDGED)


def test_the_oldest_of_too_many_notes_is_in_the_trail_alone(tables: Any, client_for: ClientFor) -> None:
    full = tuple(Note("olga", "user:1", NOW, f"note {n}") for n in range(MAX_NOTES))
    case = put(case_of(notes=full))
    assert do(client_for("operator"), case, "note", reason="the newest").status_code == 204
    notes = [one.text for one in now_of(case).notes]
    assert (len(notes), notes[0], notes[-1]) == (MAX_NOTES, "note 1", "the newest")


def test_without_scripts_an_action_leads_back_to_its_case(tables: Any, client_for: ClientFor) -> None:
    case = put(case_of())
    client = client_for("operator")
    answer = client.post(f"/failures/{case.id}/acknowledge/", {"action_id": str(uuid.uuid4())}, follow=True)
    assert answer.redirect_chain == [(f"/failures/{case.id}/", 302)]
    assert "Acknowledged." in words(answer)
    form = client.get(f"/failures/{case.id}/mute/")
    assert "fire no alerts" in words(form)


def test_nothing_is_written_while_actions_are_off(tables: Any, client_for: ClientFor, settings: Any) -> None:
    case = put(case_of())
    client = client_for("operator")
    settings.ACTIONS_OFF = True
    for url in ("/failures/", f"/failures/{case.id}/"):
        assert 'action="/failures/' not in client.get(url).content.decode(), url
    assert do(client, case, "acknowledge").status_code == 409
    assert now_of(case) == case

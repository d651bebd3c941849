"""Marking a workflow failed or completed by hand: what is written, watched, undone and left alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from opsportal.operations import entries, transactions, undo
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.observation import Outcome, observe
from opsportal.operations.transactions import Conflict
from tests import dumps
from tests.engines import Engine
from tests.operations.proxy import LOST, Proxy
from tests.pages import Page, visit
from tests.tracking.conftest import Queue
from tests.tracking.test_actions import BY, OLD, new_id, spent, step, workflow
from tracking import action_views, actions
from tracking.findings import findings
from tracking.models import Workflow
from tracking.steps import NOT_STEPS, summary

pytestmark = pytest.mark.django_db
VERBS = {"fail": "failed", "complete": "completed"}


def do(verb: str, session: str = "s", reason: str = "it hangs", **more: Any) -> Any:
    action: ItemAction = getattr(action_views, verb.upper())
    return action.act(session, by=BY, reason=reason, **more)


@pytest.fixture
def table(tables: dict[str, Any]) -> Any:
    return tables["workflows"]


@pytest.mark.parametrize("verb", VERBS)
def test_it_writes_this_and_an_undo_takes_it_back(table: Any, verb: str) -> None:
    status = VERBS[verb]
    before = dumps.put(table, "s", workflow("Running"))
    done = do(verb)
    after = dumps.item(table, "s") or {}
    moment = after["lastUpdated"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment["S"])
    ended = {
        **before["tradeMatching"]["M"],
        "status": {"S": "error"},
        "error": {"S": "it hangs"},
        "completedAt": moment,
    }
    assert after == {
        **before,
        "overallStatus": {"S": status},
        "lastUpdated": moment,
        f"{status}At": moment,
        f"{status}By": {"S": "olga"},
        **({"tradeMatching": {"M": ended}} if verb == "fail" else {}),
    }
    found = Workflow.from_item(after)
    assert found.ended_at == found.last_updated
    if verb == "fail":
        assert found.first_error is not None
        assert tuple(found.first_error) == ("Trade matching", "it hangs", True)
    (entry,) = dumps.audit(table)
    assert (entry.action, entry.actor, entry.reason, entry.has_image) == (
        f"workflow:{verb}", BY, "it hangs", True,
    )  # fmt: skip
    dumps.put(table, "s", {**after, "worker": {"S": "was here"}})
    undo.undo(entry, by=BY, reason="", action_id=new_id())
    again = dumps.item(table, "s") or {}
    assert again.pop("lastUpdated")["S"] >= moment["S"]
    assert again.pop("worker") == {"S": "was here"}
    assert again == {name: value for name, value in before.items() if name != "lastUpdated"}
    assert done.entry.action_id == entry.action_id


ENDED = step("success", completedAt={"S": OLD})
# Which steps a failure is written to, of what was found.
FAILURES: list[tuple[dict[str, Any], set[str]]] = [
    # All that run.
    ({"alpha": step("LOADING"), "beta": step("running"), "gamma": step("pending")}, {"alpha", "beta"}),
    # None runs: the first that has not ended, for a retry from there on.
    ({"alpha": ENDED, "beta": step("pending"), "gamma": step("pending")}, {"beta"}),
    ({"pdfAdapter": ENDED}, {"tradeExtraction"}),
    ({}, {"pdfAdapter"}),
    ({"pdfAdapter": {"NULL": True}}, {"pdfAdapter"}),
    # Nothing is left to fail, or something did: it is the workflow's own error.
    ({"alpha": ENDED, "beta": step("skipped")}, set()),
    ({"alpha": step("error", error={"S": "no match"}), "beta": step("pending")}, set()),
    ({"alpha": step("error"), "beta": step("pending")}, set()),
    # A step that runs is told all the same.
    ({"alpha": step("error"), "beta": step("in-progress")}, {"beta"}),
    # A change, and its undo, can hold only so many.
    ({f"step{number:03}": step("in-progress") for number in range(200)},
     {f"step{number:03}" for number in range(46)}),
    ({f"a long name of a step, {number}": step("in-progress") for number in range(10, 50)},
     {f"a long name of a step, {number}" for number in range(10, 50)}),
    ({f"step{number:03}": step("success") for number in range(200)} | {"zeta": step("running")}, {"zeta"}),
]  # fmt: skip


def test_a_failure_is_where_the_readers_of_the_table_look_for_it(table: Any) -> None:
    for number, (steps, failing) in enumerate(FAILURES):
        key, reason = f"s{number}", "it hangs " * 200
        before = dumps.put(table, key, {"overallStatus": {"S": "processing"}, **steps})
        done = do("fail", key, reason)
        after = dumps.item(table, key) or {}
        fresh = {"status": {"S": "error"}, "error": {"S": reason}, "completedAt": after["lastUpdated"]}
        own = {"overallStatus", "lastUpdated", "failedAt", "failedBy", "error"}
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed - own == failing, steps
        for name in failing:
            assert after[name]["M"] == {**before.get(name, {}).get("M", {}), **fresh}
        assert after.get("error") == (None if failing else {"S": reason})
        assert ("154 steps keep what they say" in done.entry.note) == (len(failing) == 46)
        first = Workflow.from_item(after).first_error
        assert first is not None
        assert first.failed
        (found,) = [one for one in findings(Workflow.from_item(after)) if one.kind == "marked"]
        assert ("by olga: it hangs" in found.sentence) == (not failing)
        recorded = steps.get("alpha", {}).get("M", {}).get("error", {"S": reason})
        assert first.error == recorded["S"]
        # Also where the entry holds no more than the beginning of each reason.
        entry = entries.read_entry(done.entry.action_id, table)
        assert entry is not None
        undo.undo(entry, by=BY, reason="", action_id=new_id())
        assert {**(dumps.item(table, key) or {}), "lastUpdated": 0} == {**before, "lastUpdated": 0}


@pytest.mark.no_moto
def test_an_attribute_of_the_workflow_is_no_step_whatever_it_holds(table: Any, commands: Queue) -> None:
    """A map with a status in its place would be written twice by one change, which DynamoDB refuses."""
    own = set(Workflow.from_item({}).known) - {table.key} - {step["key"] for step in settings.WORKFLOW_STEPS}
    assert own <= NOT_STEPS
    odd = {name: step("running") for name in NOT_STEPS - {"overallStatus", "createdAt"}}
    assert not [one.key for one in Workflow.from_item(odd).steps if one.present]
    assert summary(odd) == {}
    for verb in VERBS:
        before = dumps.put(table, "s", workflow(**odd))
        done = do(verb)
        undo.undo(done.entry, by=BY, reason="", action_id=new_id())
        assert {**(dumps.item(table, "s") or {}), "lastUpdated": 0} == {**before, "lastUpdated": 0}
    dumps.put(table, "s", workflow(**odd))
    action_views.CANCEL.act("s", by=BY, reason="", action_id=new_id())
    action_views.RETRY.act("s", by=BY, reason="", action_id=new_id())
    assert (dumps.item(table, "s") or {})["error"] == {"NULL": True}


@pytest.mark.no_moto
def test_only_what_is_no_end_can_be_marked(table: Any, settings: Any) -> None:
    settings.WORKFLOW_TERMINAL_STATUSES = ["Succeeded ", "timeout"]
    for status in ("initializing", "PENDING", "processing", "queued", ""):
        item = workflow(status)
        if not status:
            del item["overallStatus"]
        for verb, becomes in VERBS.items():
            dumps.put(table, "s", item)
            do(verb)
            assert (dumps.item(table, "s") or {})["overallStatus"] == {"S": becomes}
    for status in ("completed", "FAILED", " Cancelled", "succeeded"):
        dumps.put(table, "s", workflow(status))
        for verb, becomes in VERBS.items():
            sentence = f"It is {status.strip()}; only what is not finished can be marked {becomes}"
            with dumps.nothing_written(table), pytest.raises(Conflict, match=sentence):
                do(verb)
    with dumps.nothing_written(table), pytest.raises(Conflict, match="nothing to cancel"):
        action_views.CANCEL.act("s", by=BY, reason="", action_id=new_id())
    # An end that is no success can be tried again, as a failure can.
    assert "only what failed" in action_views.RETRY.why_not("s", workflow("succeeded"))
    assert "only what failed" not in action_views.RETRY.why_not("s", workflow("TIMEOUT"))


@pytest.mark.no_moto
def test_a_retry_starts_from_what_was_marked_and_clears_the_marks(table: Any, commands: Queue) -> None:
    marks = {name: {"S": "x"} for name in ("completedAt", "completedBy", "error")}
    dumps.put(table, "s", workflow(pdfAdapter=step("success", **spent(10, "1")), **marks))
    do("fail")
    action_views.RETRY.act("s", by=BY, reason="", action_id=new_id(), from_failed=True)
    after = dumps.item(table, "s") or {}
    assert [message["fromStep"] for message in commands.messages()] == ["tradeMatching"]
    assert after["tradeMatching"]["M"]["status"] == {"S": "pending"}
    assert {after[name]["NULL"] for name in (*marks, "failedAt", "failedBy")} == {True}
    assert Workflow.from_item(after).first_error is None


@pytest.mark.parametrize("verb", VERBS)
def test_an_orchestrator_that_is_quicker_wins(table: Any, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """By the status of the workflow, or of a step that a failure is written to."""
    existing = actions.existing
    since = [workflow("completed")]
    if verb == "fail":
        since.append(workflow(tradeMatching=step("success")))
    for item in since:
        dumps.put(table, "s", workflow())

        def slowly(*given: Any, item: Any = item) -> Any:
            dumps.put(table, "s", item)
            return existing(*given)

        monkeypatch.setattr(actions, "existing", slowly)
        with pytest.raises(Conflict, match="in the meantime"):
            do(verb)
        assert dumps.item(table, "s") == {**item, table.key: {"S": "s"}}
    assert dumps.audit(table) == []


def test_the_same_action_id_marks_once(table: Any) -> None:
    for verb in VERBS:
        dumps.put(table, "s", workflow())
        action_id = new_id()
        first = do(verb, action_id=action_id)
        with dumps.nothing_written(table):
            again = do(verb, action_id=action_id)
        assert (first.repeated, again.repeated) == (False, True)


@pytest.mark.no_moto
def test_what_became_of_a_mark_is_said(table: Any) -> None:
    later = {"lastUpdated": {"S": "2099-01-01T00:00:00.000Z"}}

    def fate(entry: Any, raw: Any) -> Outcome:
        return observe(entry, raw, "lastUpdated", action_views.ACTIONS.still_holds).fate

    for verb in VERBS:
        memory = dumps.put(table, "s", workflow())
        entry = do(verb).entry
        ours = dumps.item(table, "s") or {}
        assert fate(entry, ours) is Outcome.REQUESTED
        assert fate(entry, {**ours, **later}) is Outcome.SEEN
        assert fate(entry, {**memory, **later}) is Outcome.OVERWRITTEN
        undone = undo.undo(entry, by=BY, reason="", action_id=new_id()).entry
        back = dumps.item(table, "s") or {}
        assert fate(undone, {**back, **later, "overallStatus": {"S": "completed"}}) is Outcome.SEEN


@pytest.mark.no_moto
def test_the_pages_of_a_mark(
    table: Any,
    engine: Engine,
    client_for: Callable[[str], Client],
    proxied: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who may, what the dialog says, two clicks, a lost answer, and what the item's page says then."""
    monkeypatch.setattr(transactions, "PAUSE", 0.001)
    operator, administrator = client_for("operator"), client_for("administrator")
    item = reverse("tracking:item", args=["s"])
    for verb, client, who in (("fail", operator, "operator"), ("complete", administrator, "administrator")):
        url = reverse(f"tracking:{verb}", args=["s"])
        dumps.put(table, "s", workflow("queued"))
        lesser = [client_for("viewer")] if verb == "fail" else [client_for("viewer"), operator]
        with dumps.nothing_written(table):
            for other in lesser:
                assert other.post(url, {"action_id": new_id(), "reason": "x"}).status_code == 403
                assert "may not do this" in visit(other, item).words
            form = visit(client, url)
            assert "Its status queued is unknown to the console, and counts as not finished." in form.words
            assert "It can be undone from the audit trail for 30 days." in form.words
            if verb == "fail":
                assert client.post(url, {"action_id": new_id(), "reason": " "}).status_code == 422
        fields = {"action_id": new_id(), "reason": "it hangs"}
        proxied.on("TransactWriteItems", LOST, LOST)
        lost = Page(client.post(url, fields), url)
        assert lost.status == 503
        assert "it is not known whether this was done" in lost.words
        for _ in range(2):
            assert client.post(url, fields).status_code == 302
        page = visit(operator, item)
        spoken = f"Marked {VERBS[verb]}"
        assert f"{spoken} by {who}" in page.words
        assert page.findings["marked"].startswith(f"Marked {VERBS[verb]} by {who} (20")
        dumps.put(table, "s", workflow())
        assert "Overwritten by the worker" in visit(operator, item).words


@pytest.mark.no_moto
def test_what_cannot_be_written_keeps_what_was_typed(table: Any, client_for: Callable[[str], Client]) -> None:
    """An item that grows past what DynamoDB stores, and a reason that hides control characters."""
    client, url = client_for("operator"), reverse("tracking:fail", args=["s"])
    dumps.put(table, "s", workflow(filler={"S": "x" * 407_900}))
    with dumps.nothing_written(table):
        for reason, status, said in (
            ("it hangs " * 200, 409, "larger than the 400 KB that DynamoDB stores, so nothing was done"),
            ("it\x1b[31m hangs", 422, "has control characters"),
            ("it\rhangs", 422, "has control characters"),
        ):
            page = Page(client.post(url, {"action_id": new_id(), "reason": reason}), url)
            assert (page.status, said in page.words) == (status, True)
            assert page.root.one("input", name="reason").attrs["value"].strip() == reason.strip()
        answer = client.post("/api/workflows/s/fail", {"reason": "it hangs " * 200}, "application/json")
        assert (answer.status_code, "400 KB" in answer.json()["detail"]) == (409, True)
    assert client.post(url, {"action_id": new_id(), "reason": "it hangs"}).status_code == 302

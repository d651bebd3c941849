"""What is derived from the list of an app's actions, and what an action must have beside its declaration."""

import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings

from opsportal.accounts.roles import roles_with
from opsportal.accounts.scopes import all_scopes
from opsportal.console.access import Access
from opsportal.descriptors import descriptors
from opsportal.operations import commits
from opsportal.operations import outbox as outgoing
from opsportal.operations.changes import Raw, text
from opsportal.operations.entries import Actor, Entry, Intent, Target, from_item, new_action_id, stamp
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.observation import Outcome, goes_on, observe
from opsportal.operations.pages import ItemActions
from opsportal.operations.tags import Action, read_action
from opsportal.operations.transactions import Plan, after_commit, operations_for
from registry.dialects import DOCUMENTED
from requests_app import action_views, actions
from requests_app.submission import Submission
from tests import factories
from tests.console.routes import routes
from tests.operations.places import get, outbox, put, request_item, trail
from tests.pages import visit

OLGA = Actor("olga", "operator", "user:1001")
LISTS: list[ItemActions] = [one.actions for one in descriptors() if one.actions]
# Effects without a list: what an undo brings back goes on from there, and those of programs are not watched.
UNLISTED = {"undo", "purge_logs", "expire", "keep", "heartbeat"}


# --- Five places ------------------------------------------------------------------------------------------


def missing(one: ItemAction) -> list[str]:
    """What an action lacks beside its declaration, each in a sentence that says where it belongs."""
    app, _, codename = one.permission.partition(".")
    declared = {
        codename for model in apps.get_app_config(app).get_models() for codename, _ in model._meta.permissions
    }
    icons = Path(django_settings.BASE_DIR, "scripts/vendor.py").read_text().split()
    found = {
        f"Declare {codename} in Meta.permissions of {app}.models, with a migration.": codename in declared,
        f"Give {one.permission} to a role in the grants of {app}.descriptor.": bool(
            roles_with(one.permission)
        ),
        f"Say what the scope {one.scope} allows in {app}.descriptor.": not one.scope
        or one.scope in all_scopes(),
        f"Give {one.tag.value} its line in opsportal.operations.tags.Action.": isinstance(one.tag, Action)
        and bool(one.tag.past),
        f"Add the icon {one.icon} to ICONS in scripts/vendor.py.": one.icon in icons,
        "Say what the operation of the API does in summary.": not (one.scope and one.title)
        or bool(one.summary),
    }
    return [sentence for sentence, there in found.items() if not there]


def test_each_action_has_all_of_its_places() -> None:
    listed = [one for actions_of in LISTS for one in actions_of]
    assert {one.tag: missing(one) for one in listed} == {one.tag: [] for one in listed}
    subjects = {one.tag.subject for one in listed}
    tags = {tag for tag in Action if tag.subject in subjects and tag.verb not in UNLISTED}
    assert {one.tag for one in listed} == tags, (
        "Name each action of the tags in ACTIONS of its app's action_views."
    )
    assert set(FIT) == tags, "Give FIT an item that each action can be done to."


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ({"permission": "requests_app.hurry_requests"}, "Declare hurry_requests in Meta.permissions of requests_app.models"),
        ({"permission": "requests_app.hurry_requests"}, "Give requests_app.hurry_requests to a role"),
        ({"scope": "requests:hurry"}, "Say what the scope requests:hurry allows in requests_app.descriptor"),
        ({"tag": read_action("request:hurry")}, "Give request:hurry its line in opsportal.operations.tags"),
        ({"icon": "no-such"}, "Add the icon no-such to ICONS"),
        ({"summary": ""}, "Say what the operation of the API does"),
    ],
)  # fmt: skip
def test_it_is_said_which_place_is_missing(without: dict[str, Any], sentence: str) -> None:
    found = missing(replace(action_views.CANCEL, **without))
    assert any(one.startswith(sentence) for one in found), found


def test_each_action_has_its_address_and_its_mark() -> None:
    known = {route.name: route for route in routes()}
    for listed in LISTS:
        for one in listed.actions:
            route = known[f"{listed.namespace}:{one.tag.verb}"]
            assert route.path.endswith(f"/{one.tag.verb}/")
            assert route.access == Access("permission", one.permission)


# --- What keeps it ----------------------------------------------------------------------------------------


def failed(raw: Raw) -> Raw:
    return {**raw, "status": text("failed")}


# An item that each action can be done to, as it is read (None: absent), and what its plan gets besides.
FIT: dict[Action, tuple[Raw | None, dict[str, Any]]] = {
    Action.REQUEST_SUBMIT: (
        None,
        {"submission": None, "milliseconds": None, "like": "", "dialect": None},
    ),
    Action.REQUEST_CANCEL: (request_item(), {}),
    Action.REQUEST_RETRY: (failed(request_item()), {}),
    Action.REQUEST_FAIL: (request_item(), {}),
    Action.REQUEST_COMPLETE: (request_item(), {}),
    Action.REQUEST_PURGE: (failed(request_item()), {}),
    Action.WORKFLOW_CANCEL: (factories.workflow("key"), {}),
    Action.WORKFLOW_RETRY: (factories.workflow("key", overallStatus="failed"), {}),
    Action.WORKFLOW_FAIL: (factories.workflow("key", tradeMatching=factories.step("loading")), {}),
    Action.WORKFLOW_COMPLETE: (factories.workflow("key"), {}),
    Action.WORKFLOW_PURGE: (factories.workflow("key", overallStatus="failed"), {}),
    Action.AGENT_REGISTER: (None, {"texts": {"name": "One"}, "dialect": DOCUMENTED, "others": {}}),
    Action.AGENT_EDIT: (factories.agent("key"), {"texts": {"name": "Other"}}),
    Action.AGENT_ACTIVATE: (factories.agent("key", status="inactive"), {}),
    Action.AGENT_DEACTIVATE: (factories.agent("key"), {}),
    Action.AGENT_PURGE: (factories.agent("key", status="inactive"), {}),
}


@pytest.fixture(autouse=True)
def submitted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A submission stands for its item here; what is in that is of test_submission."""
    monkeypatch.setattr(Submission, "item", lambda *args, **more: request_item(status="pending"))
    monkeypatch.setitem(FIT[Action.REQUEST_SUBMIT][1], "submission", Submission.model_construct())
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/1/commands"


def after(plan: Plan, raw: Raw | None) -> Raw:
    """The item once the plan is written."""
    if plan.change is None:
        return dict(plan.put or {})
    item: Raw = {**(raw or {})}
    for one in plan.change.changed:
        _set(item, one.path, one.new)
    return item


def _set(item: Raw, path: tuple[str, ...], value: Any) -> None:
    name, *rest = path
    if not rest:
        item.update({name: value}) if value is not None else item.pop(name, None)
        return
    item[name] = {"M": {**item.get(name, {}).get("M", {})}}
    _set(item[name]["M"], tuple(rest), value)


def every_action() -> Iterator[tuple[ItemActions, ItemAction]]:
    for listed in LISTS:
        for one in listed:
            yield listed, one


def test_what_was_watched_decides_whether_a_later_write_kept_it() -> None:
    """Of each action: a worker that writes something else has seen it; one that writes a watched value has not."""
    overwritten = set()
    for listed, one in every_action():
        raw, data = FIT[one.tag]
        intent = Intent(one.tag, listed.target("req-1"), OLGA, "because", new_action_id(), data)
        plan = one.plan(raw, datetime.now(UTC), intent)
        if plan.delete:
            continue  # that it is there again is what `watch` says
        entry = Entry(intent.action_id, one.tag, OLGA, intent.target, stamp(), watch=plan.watch)
        item = after(plan, raw)

        def fate(now: Raw, entry: Entry = entry, listed: ItemActions = listed) -> Outcome:
            return observe(entry, now, listed.stamps[0], listed.still_holds).fate

        assert fate(item) == Outcome.REQUESTED, one.tag
        renewed = {name: {"S": "2099-01-01T00:00:00.000000"} for name in listed.stamps}
        later = {**item, **renewed}
        assert fate(later) == Outcome.SEEN, one.tag
        assert fate({**later, "worker_note": text("was here")}) == Outcome.SEEN, one.tag
        for name in plan.watch.keys() & {*listed.statuses}:
            assert fate({**later, name: text(str(later[name]["S"]).upper())}) == Outcome.SEEN, one.tag
        if one.still_holds is goes_on:
            assert raw is None, "only what makes an item has nothing to overwrite"
            continue
        # The worker puts back its memory.
        assert fate({**(raw or {}), **renewed}) == Outcome.OVERWRITTEN, one.tag
        overwritten.add(one.tag)
        if one.still_holds is None:
            for name in plan.watch.keys() - set(listed.stamps):
                changed: Raw = {**later}
                _set(changed, tuple(name.split(".")), {"S": "something else"})
                assert fate(changed) == Outcome.OVERWRITTEN, (one.tag, name)
    others = {one.tag for _, one in every_action() if one.tag.verb in ("purge", "submit")}
    assert overwritten == {one.tag for _, one in every_action()} - others


def test_a_worker_that_goes_on_with_a_retry_keeps_it() -> None:
    entry = Entry(
        new_action_id(), Action.REQUEST_RETRY, OLGA, Target("requests", "req-1"), stamp(),
        watch={"status": text("pending"), "processing_metadata.retry_count": {"N": "1"}},
    )  # fmt: skip
    holds = action_views.ACTIONS.still_holds

    def raw(status: str, count: int) -> Raw:
        return {"status": text(status), "processing_metadata": {"M": {"retry_count": {"N": str(count)}}}}

    assert holds(entry, raw("processing", 1))
    assert holds(entry, raw("failed", 1))
    assert holds(entry, raw("pending", 2))
    assert not holds(entry, raw("failed", 0))
    restored = replace(entry, action=Action.REQUEST_UNDO, undo_of=new_action_id())
    assert holds(restored, raw("failed", 0))


def test_whatever_is_overwritten_can_be_done_again(
    tables: dict[str, Any], client_for: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a purge, of an item that a worker has put back."""
    monkeypatch.setattr(outgoing, "send_soon", lambda message, table: None)
    administrator, viewer = client_for("administrator"), client_for("viewer")
    for listed in LISTS:
        table = tables[listed.logical]
        for one in listed.actions:
            raw, data = FIT[one.tag]
            memory = {**(raw or {}), table.key: text("key")}
            put(table, memory)
            one.act("key", by=OLGA, reason="because", **data)
            put(table, memory)
            page = visit(administrator, listed.item_url("key"))
            said = page.root.one("", data_fate="overwritten")
            assert f"{one.tag.past} by olga" in said.words
            assert said.one("a", data_action="again").attrs["href"] == listed.url(one, "key")
            assert not visit(viewer, listed.item_url("key")).root.all("a", data_action="again")


# --- Many items in one transaction ------------------------------------------------------------------------


def test_the_operations_of_many_items_are_committed_in_one_transaction(tables: dict[str, Any]) -> None:
    """As a job does it: those whose condition fails are known by their index, and left out."""
    table = tables["requests"]
    now = datetime.now(UTC)
    raws = {f"req-{at}": put(table, request_item(f"req-{at}", "failed")) for at in range(3)}
    planned: list[tuple[Plan, Intent, Entry, list[dict[str, Any]]]] = []
    for key, raw in raws.items():
        target = Target("requests", key)
        intent = Intent(Action.REQUEST_PURGE, target, OLGA, "clean-up", new_action_id(), job="job-1")
        plan = actions.purge(raw, now, intent)
        planned.append((plan, intent, *operations_for(plan, intent, raw, now)))

    moved = put(table, {**raws["req-1"], "status": text("pending")})
    with pytest.raises(commits.ConditionFailed) as raised:
        commits.commit(table, [one for *_, operations in planned for one in operations])
    (failure,) = raised.value.failures
    lengths = [len(operations) for *_, operations in planned]
    assert (failure.index, failure.code) == (lengths[0], "ConditionalCheckFailed")
    assert failure.item == moved
    assert trail(table) == []

    del planned[1]
    commits.commit(table, [one for *_, operations in planned for one in operations])
    for plan, intent, *_ in planned:
        after_commit(plan, intent)
    assert [get(table, key) for key in raws] == [None, moved, None]
    assert len(outbox(table)) == 2
    stored = trail(table)
    assert sorted(one["target"]["S"] for one in stored) == ["req-0", "req-2"]
    for raw in stored:
        assert re.fullmatch(r"job#job-1#(\d|1[0-5])", raw["feed"]["S"])
        assert "actor_key" not in raw
        assert raw["actor_id"] == {"S": OLGA.id}
        assert from_item(raw).job == "job-1"


@pytest.mark.no_moto
def test_the_entry_of_a_single_action_is_in_the_feed_of_its_day_and_of_its_actor(
    tables: dict[str, Any],
) -> None:
    put(tables["requests"], request_item())
    entry = action_views.CANCEL.act("req-1", by=OLGA).entry
    (raw,) = trail(tables["requests"])
    assert re.fullmatch(rf"{entry.at[:10]}#[0-3]", raw["feed"]["S"])
    assert raw["actor_key"] == {"S": OLGA.id}
    assert "job" not in raw


# --- The walk ---------------------------------------------------------------------------------------------

WALK = re.compile(r"^\d\. `([\w/]+\.py)`", re.M)


@pytest.mark.no_moto
def test_a_cancel_comes_to_its_transaction_through_few_modules(
    tables: dict[str, Any], client_for: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that docs/development.md names, and no others."""
    put(tables["requests"], request_item())
    root = Path(django_settings.BASE_DIR)
    listed = WALK.findall((root / "docs/development.md").read_text())
    stacks: list[list[str]] = []

    def noted(function: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            files = [Path(frame.filename) for frame in traceback.extract_stack()[:-1]]
            ours = [str(file.relative_to(root)) for file in files if file.is_relative_to(root)]
            # From the view on: what is before it, each request goes through.
            ours = [file for file in ours if not file.startswith((".venv", "tests/"))]
            stacks.append(ours[ours.index("opsportal/operations/pages.py") :])
            return function(*args, **more)

        return call

    monkeypatch.setattr(actions, "record_status", noted(actions.record_status))
    monkeypatch.setattr(commits, "translated", noted(commits.translated))
    form = {"action_id": new_action_id(), "reason": "because"}
    assert client_for("operator").post("/requests/req-1/cancel/", form).status_code == 302
    declared = ["requests_app/urls.py", "requests_app/action_views.py"]
    assert {*declared, *(file for stack in stacks for file in stack)} == {*listed}
    assert list(dict.fromkeys(stacks[-1])) == [file for file in listed if file in stacks[-1]]
    assert len(listed) <= 8

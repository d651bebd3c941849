"""ACTIONS=off: whoever asks, nothing is written, and everybody is answered why."""

import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from opsportal.descriptors import descriptors
from opsportal.jobs import control, freezing, pacing, running, store
from opsportal.jobs.job import Job
from opsportal.operations import outbox, tasks, undelivered
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.outcomes import ActionsOff
from opsportal.operations.switch import OFF, WAITS
from opsportal.operations.undo import undo
from opsportal.tables.retention import chore
from requests_app import action_views as requests
from tests import factories
from tests.api.conftest import Program, program  # noqa: F401 (a fixture)
from tests.api.test_scopes import WRITES
from tests.operations.places import dump, put, request_item
from tests.pages import visit
from tests.registry.test_actions import agent
from tests.tables.retained import enable_ttl, old_request

pytestmark = pytest.mark.no_moto
OLGA = Actor("olga", "administrator", "user:1001")
KEYS = {"workflows": "s-1", "requests": "req-1", "agents": "a-1"}


@pytest.fixture
def off(tables: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Something of everything that could be changed: items, an entry that can be undone, messages, jobs in each state."""
    settings.RETENTION_REQUEST_DAYS = settings.RETENTION_LOG_DAYS = 30
    settings.UNDO_LOGS_MINUTES = 0
    enable_ttl(tables["requests"], tables["request_logs"])
    factories.put(tables["workflows"], factories.workflow("s-1", overallStatus="failed"))
    put(tables["requests"], request_item(status="failed"))
    put(tables["agents"], agent(agentId={"S": "a-1"}))
    for key in ("gone", *(f"many-{at}" for at in range(4))):
        put(tables["requests"], request_item(key, "failed"))
    put(tables["requests"], old_request("old"))
    return tables


def jobs_in_each_state() -> dict[str, Job]:
    asked: dict[str, Any] = {"by": OLGA, "reason": "x"}
    made = {
        name: control.make("requests.purge", keys=[f"many-{at}"], **asked) for at, name in enumerate("abc")
    }
    freezing.freeze(made["b"])
    freezing.freeze(made["c"])
    made |= {name: store.find(made[name].id) or made[name] for name in "bc"}
    control.start(made["c"], OLGA)
    return {name: store.find(job.id) or job for name, job in made.items()}


def test_nothing_is_written_whoever_asks(
    off: dict[str, Any],
    settings: Any,
    client_for: Callable[[str], Any],
    program: Callable[..., Program],  # noqa: F811
) -> None:
    purged = requests.PURGE.act("gone", by=OLGA, reason="x")
    lost = outbox.Message("no.such", {}, new_action_id(), target=purged.entry.target)
    outbox.put(lost, off["requests"])
    jobs = jobs_in_each_state()
    client, caller = client_for("administrator"), program("administrator")
    settings.API_RATE_LIMIT = 0
    # Those that follow on the day are one call, without an entry.
    assert caller.post("/api/agents/heartbeat", {"id": "a-1"}).status_code == 200
    settings.ACTIONS_OFF = True
    before = dump(off)

    # People: each page of an action that asks for nothing but a reason and the id.
    for descriptor in descriptors():
        for action in descriptor.actions or ():
            if action.tag.verb in ("edit", "register", "submit"):
                continue
            key = KEYS[descriptor.actions.logical]
            data = {"reason": "because", "action_id": new_action_id(), "confirm": key, "start": "whole"}
            answer = client.post(descriptor.actions.url(action, key), data)
            assert (answer.status_code, OFF in answer.text) == (409, True), (action.tag, answer.status_code)
    undo_page = reverse("operations:undo", args=[purged.entry.action_id])
    answer = client.post(undo_page, {"reason": "x", "action_id": new_action_id()})
    assert (answer.status_code, OFF in answer.text) == (409, True)

    # Programs.
    for name, (path, body) in WRITES.items():
        if path.startswith("/api/jobs/"):
            continue  # below
        answer = caller.post(path, body)
        assert (answer.status_code, answer.json()["detail"]) == (409, OFF), (name, answer.content)
        assert answer.json()["title"] == "Actions are off"
    assert caller.post(f"/api/jobs/{jobs['b'].id}/start").json()["detail"] == OFF
    assert caller.post(f"/api/jobs/{jobs['b'].id}/pace", {"pace": None}).json()["detail"] == OFF
    assert caller.get(f"/api/jobs/{jobs['c'].id}").json()["state"] == "running"
    answer = caller.post("/api/agents/heartbeat", {"id": "a-1"})
    assert (answer.status_code, answer.json()["error"]) == (409, OFF)

    # Whatever else changes an item.
    for descriptor in descriptors():
        for action in descriptor.actions or ():
            with pytest.raises(ActionsOff):
                action.act(KEYS[descriptor.actions.logical], by=OLGA, reason="x")
    with pytest.raises(ActionsOff):
        undo(purged.entry, by=OLGA, reason="x", action_id=new_action_id())

    # The worker: each task that works on items waits, and says so.
    for run in (outbox.deliver_due, freezing.freeze_due, running.run_due, chore.sweep_table):
        with pytest.raises(tasks.NotNow, match="ACTIONS=off"):
            run(off["requests"], lambda: False)
    # A pace goes on looking at what was done.
    assert pacing.Pacer().turn(off["requests"], lambda: False) == 0
    worker = tasks.Worker(tasks.registered().values())
    worker.once(threading.Event())
    waiting = {turns.label.partition(" ")[0] for turns in worker.turns if turns.problem == WAITS}
    assert waiting >= {"outbox", "jobs", "jobs-freeze", "retention"}

    # Commands.
    for arguments in (
        ("dynamo", "retention", "--apply", "--yes"), ("dynamo", "retention", "--keep", "old"), ("load_demo",),
        ("bulk", "preview", "requests.retry", "--all"), ("bulk", "start", jobs["b"].id),
        ("bulk", "retry-failed", jobs["c"].id),
    ):  # fmt: skip
        with pytest.raises(CommandError, match="ACTIONS=off"):
            call_command(*arguments, stdout=StringIO())
    assert dump(off) == before


def test_no_form_is_shown_that_would_be_refused(
    off: dict[str, Any], settings: Any, client_for: Callable[[str], Any]
) -> None:
    client = client_for("administrator")
    job = jobs_in_each_state()["c"]
    settings.ACTIONS_OFF = True
    urls = [reverse("registry:register"), reverse("jobs:pace", args=[job.id])]
    for actions in filter(None, (descriptor.actions for descriptor in descriptors())):
        urls += [actions.url(action, KEYS[actions.logical]) for action in actions.actions]
    for url in urls:
        shown = visit(client, url).root.one("main").one("form", class_="action-form")
        assert (OFF in shown.words, shown.all("button")) == (True, []), url
    assert visit(client, reverse("jobs:stop", args=[job.id])).root.one("main").all("button", type="submit")
    # A submission that was typed meanwhile is kept.
    for answer in (
        client.get(reverse("requests:new")),
        client.post(
            reverse("requests:new"), {"project_id": "alpha"}, headers={"Sec-Fetch-Site": "same-origin"}
        ),
    ):
        assert (answer.status_code, OFF in answer.text, 'id="submission"' in answer.text) == (
            409,
            True,
            False,
        )
    assert "alpha" in answer.text


def test_a_message_that_is_late_is_neither_sent_again_nor_dropped(
    off: dict[str, Any], settings: Any, client_for: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undelivered, "LATE", undelivered.LATE * 0)
    done = requests.PURGE.act("gone", by=OLGA, reason="x")
    outbox.put(outbox.Message("no.such", {}, new_action_id(), target=done.entry.target), off["requests"])
    outbox.deliver_due(off["requests"])
    (found,) = undelivered.listed().shown
    settings.ACTIONS_OFF = True
    before = dump(off)
    for verb in ("resend", "drop"):
        url = reverse(f"operations:{verb}", args=[found.key])
        answer = client_for("administrator").post(url, {"reason": "x", "action_id": new_action_id()})
        assert (answer.status_code, OFF in answer.text) == (409, True), verb
    assert dump(off) == before


def test_what_was_done_before_is_answered_again(
    off: dict[str, Any],
    settings: Any,
    program: Callable[..., Program],  # noqa: F811
) -> None:
    """With its key: it writes nothing."""
    caller = program("operator")
    first = caller.post("/api/requests/req-1/retry", Idempotency_Key="k")
    settings.ACTIONS_OFF = True
    again = caller.post("/api/requests/req-1/retry", Idempotency_Key="k")
    assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
    assert again.json() == first.json()


def test_a_job_can_be_held_all_the_same(off: dict[str, Any], settings: Any) -> None:
    jobs = jobs_in_each_state()
    settings.ACTIONS_OFF = True
    assert control.pause(jobs["c"], OLGA).state == "paused"
    assert control.stop(jobs["b"], OLGA).state == "stopped"
    for refused in (lambda: control.start(jobs["b"], OLGA), lambda: control.set_pace(jobs["a"], None, OLGA)):
        with pytest.raises(ActionsOff):
            refused()

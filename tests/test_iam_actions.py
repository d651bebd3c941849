"""What is declared for operators is the least that actions and the worker need, and a denial writes nothing."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from opsportal.dynamo.tables import Binding
from opsportal.exports import files, making, record
from opsportal.exports.asked import Asked
from opsportal.exports.exportable import all_exportable
from opsportal.failures import actions as case_actions
from opsportal.failures import store as cases
from opsportal.failures.walking import Walker, followed
from opsportal.jobs import control, freezing, gauge, pacing, running
from opsportal.jobs import store as jobs
from opsportal.jobs.job import Job
from opsportal.jobs.members import members
from opsportal.operations import entries, outbox
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.outcomes import NotFound
from opsportal.operations.tables import locations
from opsportal.operations.tags import Action
from opsportal.operations.undo import undo
from registry import action_views as agents
from registry import discovery, heartbeats, registration
from registry.dialects import DOCUMENTED
from registry.models import Agent
from registry.registration import Announcement
from requests_app import action_views as requests
from requests_app import submission
from requests_app.actions import submit
from tests.failures.cases import case_of
from tests.failures.cases import put as put_case
from tests.iam import Iam, Permission, declared, judged
from tests.operations.places import dump, put, request_item
from tests.operations.places import outbox as outbox_of
from tests.queues import Queue
from tracking import action_views as workflows

OLGA = Actor("olga", "operator", "user:1001")


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Iam]:
    yield from judged(monkeypatch)


@pytest.fixture
def statements() -> dict[str, set[Permission]]:
    """What operators need beside what viewers need."""
    reads = declared("viewer")
    return {sid: allowed for sid, allowed in declared("operator").items() if sid not in reads}


@pytest.fixture
def reads() -> set[Permission]:
    return set().union(*declared("viewer").values())


@pytest.fixture
def queues(engines: Callable[[str], Any], settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Queue]:
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    made = [Queue(endpoint, f"iam-{settings.OWN_TABLE_PREFIX}{name}") for name in ("requests", "commands")]
    settings.REQUESTS_QUEUE_URL, settings.WORKFLOW_COMMANDS_QUEUE_URL = (queue.url for queue in made)
    return made


def told(**more: Any) -> dict[str, Any]:
    return {"by": OLGA, "reason": "because", "action_id": new_action_id(), **more}


def undone(target: entries.Target, purge_or_edit: str) -> None:
    entry = entries.read_entry(purge_or_edit, target.table)
    assert entry
    undo(entry, **told())


def stock(tables: dict[str, Binding]) -> None:
    """What is acted on below."""
    put(tables["requests"], request_item("req-1", processing_strategy={"S": "sqs"}))
    put(tables["requests"], request_item("req-2", status="failed"))
    log = {"log_id": {"S": "l-1"}, "request_id": {"S": "req-2"}, "timestamp": {"S": "2026-01-01"}}
    put(tables["request_logs"], log)
    put(tables["requests"], request_item("req-3"))
    for key in ("job-1", "job-2", "job-3"):
        put(tables["requests"], request_item(key, status="failed"))
        put(tables["workflows"], {"sessionId": {"S": key}, "overallStatus": {"S": "processing"}})
        put(tables["agents"], {"agentId": {"S": key}, "status": {"S": "active"}})
    for key in ("s-1", "s-2"):
        put(tables["workflows"], {"sessionId": {"S": key}, "overallStatus": {"S": "processing"}})


def everything_that_operators_do() -> None:
    """Each action, in an order in which it is allowed."""
    requests.CANCEL.act("req-1", **told())
    requests.RETRY.act("req-1", **told())
    requests.CANCEL.act("req-1", **told())
    done = requests.PURGE.act("req-1", **told())
    undone(done.entry.target, done.entry.action_id)
    config = {
        "keywords": ["insulin"], "sources": [{"name": "FDA", "base_url": "https://fda.gov", "source_type": "x"}],
        "extraction_mode": "full", "quality_threshold": "0.5", "batch_size": "5", "max_retries": "1",
    }  # fmt: skip
    asked = submission.read(
        {
            "project_id": "p", "user_id": "u", "request_type": "semaglutide_intelligence", "priority": "high",
            "processing_strategy": "sqs", "config": config,
        }
    )  # fmt: skip
    submit(asked, by=OLGA, reason="", action_id=submission.new_action_id())

    for key, app in (("req-3", requests), ("s-2", workflows)):
        done = app.FAIL.act(key, **told())
        undone(done.entry.target, done.entry.action_id)
        app.COMPLETE.act(key, **told())

    workflows.CANCEL.act("s-1", **told())
    workflows.RETRY.act("s-1", **told())
    workflows.CANCEL.act("s-1", **told())
    done = workflows.PURGE.act("s-1", **told())
    undone(done.entry.target, done.entry.action_id)

    texts = {"name": "One", "endpoint": "https://one.example"}
    agents.REGISTER.act("a-1", texts=texts, others={}, dialect=DOCUMENTED, **told())
    done = agents.EDIT.act("a-1", texts={"name": "Other"}, **told())
    undone(done.entry.target, done.entry.action_id)
    agents.DEACTIVATE.act("a-1", **told())
    agents.ACTIVATE.act("a-1", **told())
    agents.DEACTIVATE.act("a-1", **told())
    done = agents.PURGE.act("a-1", **told())
    undone(done.entry.target, done.entry.action_id)

    what_agents_do()
    what_is_done_with_a_case()


def what_is_done_with_a_case() -> None:
    case = cases.active()[0]
    case_actions.acknowledge(case, **told())
    case_actions.note(case, "looked at", by=OLGA)
    case_actions.resolve(case, "fixed", by=OLGA)
    case_actions.reopen(case, by=OLGA)


def what_agents_do() -> None:
    """Through the API: what is discovered before and after is read too."""
    profile = Announcement("a-2", {"endpoint": "https://two.example"}, {"owner": "someone"})
    for _ in range(2):
        registration.register(profile, **told())
        discovery.discover(discovery.Wanted())
    heartbeats.heartbeat("a-2", by=told()["by"])
    # One whose stamps are not as documented, and one that is not there.
    put(Agent.binding(), {"agentId": {"S": "a-3"}, "last_heartbeat": {"S": "2026-01-01T00:00:00Z"}})
    heartbeats.heartbeat("a-3", by=told()["by"])
    # Several that were written since are read together.
    discovery.discover(discovery.Wanted())
    with pytest.raises(NotFound):
        heartbeats.heartbeat("a-4", by=told()["by"])


def everything_that_a_worker_does() -> None:
    """Both passes over the logs of a purged request, a look into every outbox, and the cases of what failed."""
    at = time.time()
    walker, late = Walker(lambda: at), {"S": datetime.fromtimestamp(at + 30, UTC).isoformat()}
    failed = {"status": {"S": "failed"}, "created_at": late, "completed_at": late}
    for table, item in zip(
        followed(), ({"overallStatus": failed["status"], "createdAt": late}, failed), strict=True
    ):
        put(table, {table.key: {"S": "f-1"}, **item})
    for _ in range(3):  # it begins, opens and counts
        for table in followed():
            walker.turn(table, lambda: False)
        at += 25
    assert {case.count for case in cases.active()} == {1}
    requests.PURGE.act("req-2", **told())
    for table in locations():  # an engine that knows no regions shows the same outbox in each
        for _ in range(2):
            outbox.deliver_due(table, now=datetime.now(UTC) + timedelta(hours=1))


def everything_that_jobs_do() -> None:
    """On each table: by keys and by a filter, done, undone and stopped; and what pages and the worker look at."""
    for name, filter in (
        ("requests.purge", {"status": "failed"}),
        ("workflows.cancel", {"q": "s-9"}),
        ("agents.deactivate", {"q": "a-9"}),
        ("agents.purge", {"q": "a-9"}),
    ):
        for asked in ({"keys": ["job-1", "job-2"]}, {"filter": filter}):
            made = control.make(name, by=OLGA, **asked)
            carry_out(made)
            ready = jobs.find(made.id)
            if ready and ready.eligible:
                control.resume(control.pause(control.start(ready, OLGA), OLGA), OLGA)
                carry_out(made)
                done = jobs.find(made.id)
                assert done
                assert jobs.progress_of(done).done
                if not control.why_no_undo(done):
                    control.undo(done, OLGA)
                    carry_out(made)
                assert list(members(done))
    jobs.listed()
    control.stop_all(OLGA)


def everything_that_exports_do() -> None:
    """Of the list of each table: a file, made, downloaded and stopped."""
    for name in ("workflows", "requests", "agents"):
        exportable = all_exportable()[name]
        columns = [column.key for column in exportable.columns]
        asked = Asked(exportable, {}, None, None, columns, "csv")
        made = files.create(asked, new_action_id(), OLGA)
        assert list(files.live(made.table))
        assert making.make(made)
        done = files.find(made.id)
        assert done
        assert b"".join(files.content(done))
        record.write(asked, made.id, Action.EXPORT_DOWNLOAD, OLGA, "")
        files.end(files.create(asked, new_action_id(), OLGA), files.State.STOPPED, "")
    assert files.listed()


def carry_out(job: Job) -> None:
    """An engine that knows no regions shows the jobs and messages of each in all, so the job's own region comes first."""
    for location in sorted(locations(), key=lambda one: one.location != job.table.location):
        for run in (
            freezing.freeze_due,
            running.run_due,
            pacing.Pacer().turn,
            gauge.measure,
            outbox.deliver_due,
        ):
            run(location, lambda: False)


@pytest.mark.no_moto  # what is asked for does not depend on who answers
def test_the_policy_holds_just_what_actions_and_the_worker_call(
    queues: list[Queue],
    statements: dict[str, set[Permission]],
    reads: set[Permission],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    operator = client_for("operator")
    assert iam.read(operator, "/requests/new/")[0] == 200
    stock(tables)
    put_case(case_of(runs={0: 1}))
    iam.awake = True
    everything_that_operators_do()
    everything_that_jobs_do()
    everything_that_exports_do()
    everything_that_a_worker_does()
    iam.awake = False
    assert [len(queue.messages()) for queue in queues] == [2, 1]
    assert iam.asked - reads == set().union(*statements.values())
    assert not reads & set().union(*statements.values())


@pytest.mark.no_moto  # the denial comes before an engine is asked, so one engine will do
@pytest.mark.parametrize("sid", ["ChangeItems", "RecordActions"])
def test_without_a_statement_an_action_says_what_is_missing_and_writes_nothing(
    sid: str,
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    put(tables["requests"], request_item("req-1"))
    before = dump(tables)
    iam.denied = statements[sid]
    data = {"reason": "", "action_id": new_action_id()}
    status, page = iam.read(client_for("operator"), "/requests/req-1/cancel/", data)
    assert status == 503
    assert "IAM does not allow this" in page
    assert "IAM policy statement" in page
    assert dump(tables) == before


@pytest.mark.no_moto
def test_without_the_outboxs_statement_an_action_is_done_and_its_message_waits(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
    queues: list[Queue],
) -> None:
    put(tables["requests"], request_item("req-1", status="failed", processing_strategy={"S": "sqs"}))
    iam.denied = statements["CarryOutMessages"]
    data = {"reason": "", "action_id": new_action_id()}
    assert iam.read(client_for("operator"), "/requests/req-1/retry/", data)[0] == 302
    assert len(outbox_of(tables["requests"])) == 1
    assert queues[0].messages() == []
    iam.denied = set()
    outbox.deliver_due(tables["requests"])
    assert [body["action_id"] for body in queues[0].messages()] == [data["action_id"]]
    assert outbox_of(tables["requests"]) == []


@pytest.mark.no_moto
def test_without_the_projects_the_submission_form_does_without(
    statements: dict[str, set[Permission]],
    iam: Iam,
    tables: dict[str, Binding],
    client_for: Callable[[str], Client],
) -> None:
    iam.denied = statements["OfferProjects"]
    assert iam.read(client_for("operator"), "/requests/new/")[0] == 200
    assert iam.asked & iam.denied

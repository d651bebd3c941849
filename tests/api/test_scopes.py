"""Role x scope x operation: nobody does more than both allow, and what is refused writes nothing."""

from typing import Any

import pytest

from opsportal.accounts.roles import permissions_of, roles_with
from opsportal.accounts.scopes import all_scopes, scope_with
from opsportal.failures.case import State
from opsportal.jobs import control, freezing, running, store
from opsportal.jobs.job import Job
from opsportal.operations.entries import Actor
from opsportal.urls import api  # with the operations of all apps
from tests.api.conftest import Program
from tests.factories import put as put_one
from tests.factories import workflow
from tests.failures.cases import case_of
from tests.failures.cases import put as put_case
from tests.operations.places import dump, put, request_item
from tests.registry.test_actions import agent
from tests.requests_app.submitting import data

OPEN, CLOSED = "0" * 16, "1" * 16
ROLES = ("viewer", "operator", "administrator")
READY, RUNNING, PAUSED, DONE = (f"00000000-0000-4000-8000-00000000000{n}" for n in range(4))
# What makes each operation that writes do so, if it is let in.
WRITES: dict[str, tuple[str, Any]] = {
    "cancel_workflow": ("/api/workflows/s-1/cancel", None),
    "retry_workflow": ("/api/workflows/s-1/retry", None),
    "fail_workflow": ("/api/workflows/s-1/fail", {"reason": "x"}),
    "complete_workflow": ("/api/workflows/s-1/complete", None),
    "fail_request": ("/api/requests/req-1/fail", {"reason": "x"}),
    "complete_request": ("/api/requests/req-1/complete", None),
    "submit_request": ("/api/requests", data()),
    "cancel_request": ("/api/requests/req-1/cancel", None),
    "retry_request": ("/api/requests/req-1/retry", None),
    "register_agent": ("/api/agents/register", {"profile": {"id": "new", "endpoint": "https://x.example"}}),
    "send_heartbeat": ("/api/agents/heartbeat", {"id": "a-1"}),
    "deactivate_agent": ("/api/agents/a-1/deactivate", None),
    "create_job": ("/api/jobs", {"action": "agents.deactivate", "keys": ["a-1"]}),
    "start_job": (f"/api/jobs/{READY}/start", None),
    "pause_job": (f"/api/jobs/{RUNNING}/pause", None),
    "resume_job": (f"/api/jobs/{PAUSED}/resume", None),
    "stop_job": (f"/api/jobs/{RUNNING}/stop", None),
    "set_job_pace": (f"/api/jobs/{RUNNING}/pace", {"pace": None}),
    "retry_failed_items": (f"/api/jobs/{RUNNING}/retry-failed", None),
    "undo_job": (f"/api/jobs/{DONE}/undo", None),
    "acknowledge_case": (f"/api/failures/{OPEN}/acknowledge", None),
    "assign_case": (f"/api/failures/{CLOSED}/assign", {"owner": None}),
    "add_case_note": (f"/api/failures/{OPEN}/notes", {"reason": "x"}),
    "mute_case": (f"/api/failures/{OPEN}/mute", {"until": "closed"}),
    "resolve_case": (f"/api/failures/{OPEN}/resolve", {"reason": "x"}),
    "reopen_case": (f"/api/failures/{CLOSED}/reopen", None),
}
# What some need besides their own scope: that of what a job does.
ACTS = {
    **dict.fromkeys(
        ("create_job", "start_job", "resume_job", "set_job_pace", "retry_failed_items"), "agents:act"
    ),
    "undo_job": "request:purge",
}
READS = {
    "workflow_status": "/api/workflow/s-1/status",
    "list_workflows": "/api/workflows",
    "get_workflow": "/api/workflows/s-1",
    "list_requests": "/api/requests",
    "get_request": "/api/requests/req-1",
    "list_request_logs": "/api/requests/req-1/logs",
    "discover_agents": "/api/agents",
    "get_agent": "/api/agents/a-1",
    "list_audit": "/api/audit",
    "list_jobs": "/api/jobs",
    "get_job": f"/api/jobs/{READY}",
    "list_job_items": f"/api/jobs/{READY}/items",
    "list_failures": "/api/failures",
    "get_failure": f"/api/failures/{OPEN}",
    "get_audit_entry": "/api/audit/00000000-0000-4000-8000-000000000000",
}


# Of any token: what it finds depends on its scopes (tests/search).
OF_ANY = {"search"}


def permissions() -> dict[str, str]:
    """By operation id, of every operation that is described."""
    return {
        operation.view_func.__name__: operation.auth_callbacks[0].access.permission  # type: ignore[attr-defined]
        for operation in api.operations()
        if operation.include_in_schema
    }


def test_every_operation_is_tried_here() -> None:
    assert set(permissions()) == {*WRITES, *READS, *OF_ANY}


@pytest.fixture
def stocked(tables: Any) -> Any:
    put_one(tables["workflows"], workflow("s-1", overallStatus="processing"))
    put(tables["requests"], request_item())
    put(tables["requests"], request_item("req-9", "failed"))
    for key in ("a-1", "a-2", "a-3", "a-4"):
        put(tables["agents"], agent(agentId={"S": key}))
    put_case(case_of(id=OPEN), case_of(id=CLOSED, state=State.RESOLVED, owner="maria", owner_id="user:7"))
    return tables


def make_jobs() -> None:
    """One in each state that an operation asks for."""
    by = Actor("olga", "administrator", "user:1001")
    for job_id, key in ((READY, "a-2"), (RUNNING, "a-3"), (PAUSED, "a-4"), (DONE, "req-9")):
        name = "requests.purge" if job_id == DONE else "agents.deactivate"
        freezing.freeze(control.make(name, by=by, keys=[key], job_id=job_id))
        if job_id != READY:
            job = control.start(found(job_id), by)
        if job_id == PAUSED:
            control.pause(job, by)
        if job_id == DONE:
            running.run(job)


def found(job_id: str) -> Job:
    job = store.find(job_id)
    assert job
    return job


@pytest.mark.no_moto
@pytest.mark.parametrize("role", ROLES)
def test_a_role_and_a_scope_allow_what_both_allow_and_nothing_else(
    stocked: Any, program: Any, role: str
) -> None:
    """An operation is refused to every scope but its own, and with that one to a role that lacks the
    permission; nothing of it leaves a trace."""
    held, before = permissions_of(role), dump(stocked)
    for scope in all_scopes():
        others = [other for other in all_scopes() if other != scope]
        alone: Program = program(role, scope, name=f"alone-{scope.replace(':', '-')}")
        without: Program = program(role, *others, name=f"without-{scope.replace(':', '-')}")
        for operation, permission in permissions().items():
            if scope_with(permission) != scope:
                continue
            method, (path, body) = (
                ("GET", (READS[operation], None)) if operation in READS else ("POST", WRITES[operation])
            )
            assert without.call(method, path, body).status_code == 403, (scope, operation)
            if permission not in held:
                assert alone.call(method, path, body).status_code == 403, (scope, operation)
            elif operation in READS:
                assert alone.call(method, path).status_code in (200, 404), (scope, operation)
    assert dump(stocked) == before


@pytest.mark.no_moto
@pytest.mark.parametrize("operation", WRITES)
def test_what_is_allowed_is_done(stocked: Any, program: Any, settings: Any, operation: str) -> None:
    permission = permissions()[operation]
    caller: Program = program(
        roles_with(permission)[0], *filter(None, (scope_with(permission), ACTS.get(operation)))
    )
    path, body = WRITES[operation]
    if path.startswith("/api/jobs/"):
        make_jobs()
    before = dump(stocked)
    answer = caller.post(path, body)
    if operation in ("retry_workflow", "retry_request"):  # nothing here can be retried
        assert answer.status_code == 409, answer.content
        assert dump(stocked) == before
        return
    assert answer.status_code in (200, 201, 202), answer.content
    assert dump(stocked) != before


@pytest.mark.no_moto
def test_without_a_token_nothing_is_written(stocked: Any, client_for: Any) -> None:
    before = dump(stocked)
    client = client_for("anonymous")
    for path, body in WRITES.values():
        assert client.post(path, body, content_type="application/json").status_code == 401
    for path in READS.values():
        assert client.get(path).status_code == 401
    assert dump(stocked) == before

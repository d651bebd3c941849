"""Role x scope x operation: nobody does more than both allow, and what is refused writes nothing."""

from typing import Any

import pytest

from opsportal.accounts.roles import permissions_of, roles_with
from opsportal.accounts.scopes import all_scopes, scope_with
from opsportal.api.site import api
from tests.api.conftest import Program
from tests.factories import put as put_one
from tests.factories import workflow
from tests.operations.places import dump, put, request_item
from tests.registry.test_actions import agent
from tests.requests_app.submitting import data

ROLES = ("viewer", "operator", "administrator")
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
    "get_audit_entry": "/api/audit/00000000-0000-4000-8000-000000000000",
}


def permissions() -> dict[str, str]:
    """By operation id, of every operation that is described."""
    return {
        operation.view_func.__name__: operation.auth_callbacks[0].access.permission  # type: ignore[attr-defined]
        for operation in api.operations()
        if operation.include_in_schema
    }


def test_every_operation_is_tried_here() -> None:
    assert set(permissions()) == {*WRITES, *READS}


@pytest.fixture
def stocked(tables: Any) -> Any:
    put_one(tables["workflows"], workflow("s-1", overallStatus="processing"))
    put(tables["requests"], request_item())
    put(tables["agents"], agent(agentId={"S": "a-1"}))
    return tables


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
    caller: Program = program(roles_with(permission)[0], scope_with(permission))
    before = dump(stocked)
    path, body = WRITES[operation]
    answer = caller.post(path, body)
    if operation.startswith("retry"):  # nothing here can be retried
        assert answer.status_code == 409, answer.content
        assert dump(stocked) == before
        return
    assert answer.status_code in (200, 201), answer.content
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

"""What a token may be allowed: each scope is a few permissions of the roles, and never more than its person
or its role has at the time of the call.

A permission that no scope names is out of every token's reach.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """`label` says what it allows."""

    name: str
    label: str
    permissions: tuple[str, ...]


SCOPES: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope("workflows:read", "See workflows", ("tracking.view_workflows",)),
        Scope(
            "workflows:act",
            "Cancel and retry workflows",
            ("tracking.cancel_workflows", "tracking.retry_workflows"),
        ),
        Scope("workflow:fail", "Mark workflows failed", ("tracking.fail_workflows",)),
        Scope("workflow:complete", "Mark workflows completed", ("tracking.complete_workflows",)),
        Scope("requests:read", "See requests and their logs", ("requests_app.view_requests",)),
        Scope(
            "requests:write",
            "Submit, cancel and retry requests",
            (
                "requests_app.submit_requests",
                "requests_app.cancel_requests",
                "requests_app.retry_requests",
            ),
        ),
        Scope("request:fail", "Mark requests failed", ("requests_app.fail_requests",)),
        Scope("request:complete", "Mark requests completed", ("requests_app.complete_requests",)),
        Scope("agents:read", "See and discover agents", ("registry.view_agents",)),
        Scope("agents:register", "Register agents and send their heartbeats", ("registry.register_agents",)),
        Scope("agents:act", "Deactivate agents", ("registry.activate_agents",)),
        Scope("audit:read", "See the audit trail", ("operations.view_audit",)),
    )
}


def scope_with(permission: str) -> str:
    """The scope that a token needs for `permission`, "" when there is none."""
    return next((scope.name for scope in SCOPES.values() if permission in scope.permissions), "")


def allowed_by(scopes: Iterable[str]) -> frozenset[str]:
    """The permissions of these scopes; one that this version does not know allows nothing."""
    return frozenset(
        permission for name in scopes if name in SCOPES for permission in SCOPES[name].permissions
    )

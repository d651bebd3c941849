"""What a token may be allowed: each scope is a few permissions of the roles, and never more than its person
or its role has at the time of the call.

A permission that no scope names is out of every token's reach.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from opsportal.descriptors import AppDescriptor, Scope, descriptors


@cache
def all_scopes() -> dict[str, Scope]:
    """By name, in the order of the apps; with the permissions of the actions that declare them."""
    return {
        scope.name: replace(scope, permissions=(*scope.permissions, *_of_actions(descriptor, scope.name)))
        for descriptor in descriptors()
        for scope in descriptor.scopes
    }


def _of_actions(descriptor: AppDescriptor, scope: str) -> list[str]:
    return [action.permission for action in descriptor.actions or () if action.scope == scope]


def scope_with(permission: str) -> str:
    """The scope that a token needs for `permission`, "" when there is none."""
    return next((scope.name for scope in all_scopes().values() if permission in scope.permissions), "")


def allowed_by(names: Iterable[str]) -> frozenset[str]:
    """The permissions of these scopes; one that this version does not know allows nothing."""
    known = all_scopes()
    return frozenset(permission for name in names if name in known for permission in known[name].permissions)

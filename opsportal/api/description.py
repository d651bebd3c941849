"""The OpenAPI document, finished: who may call what, and the problems that every operation can answer.

django-ninja describes parameters, bodies and answers; what all operations share is added here.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from ninja.operation import Operation

from opsportal.accounts.scopes import all_scopes, scope_with
from opsportal.api import numbers
from opsportal.api.documents import ATTRIBUTE, referred
from opsportal.api.effects import HEADER, REPLAYED
from opsportal.api.problems import PROBLEM_TYPE, SPOKEN_TO_BY_AGENTS

METHODS = ("get", "post", "put", "patch", "delete")

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string", "description": "By which the console's log has the request."},
        "errors": {
            "type": "array",
            "description": "Of a 422 (or 400): each value that is wrong.",
            "items": {
                "type": "object",
                "required": ["in", "detail"],
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "path", "header"]},
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the body."},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "current": {
            "type": ["object", "null"],
            "description": "Of a 409: the item's state as it is now.",
        },
        "action_id": {"type": "string"},
        "kind": {"type": "string", "description": "Of a 503: the kind of problem with DynamoDB."},
        "scope": {"type": "string", "description": "Of a 403: the scope that the token lacks."},
        "error": {"type": "string", "description": f"Under {SPOKEN_TO_BY_AGENTS}: the same as `detail`."},
    },
}
WAIT = {
    "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds.", "required": True}
}
REQUEST_ID = {"X-Request-ID": {"schema": {"type": "string"}, "required": True}}

ALWAYS = {
    400: "The request can't be read: no JSON, a cursor of another list, a token in the address",
    401: "No token, or one that is wrong, expired or revoked",
    403: "The token's scopes, or the person's role, do not allow this",
    404: "Not found",
    422: "A value is not valid; `errors` says where",
    429: "Too many requests of this caller, or failed ones of this address",
    500: "A defect of the console",
    503: "DynamoDB is away, slow, or does not let the console in",
}
WITH_BODY = {
    411: "The body has no Content-Length",
    413: "The body is too large",
    415: "The body is not application/json",
}
OF_EFFECTS = {409: "The item's state does not allow this; `current` is its state now"}


def finished(document: Any, operations: Iterable[Operation]) -> Any:
    """The document with security, problems and headers on every operation."""
    permissions = {
        operation.view_func.__name__: operation.view_func.access.permission  # type: ignore[attr-defined]
        for operation in operations
        if operation.include_in_schema
    }
    for item in document["paths"].values():
        for method in METHODS:
            if operation := item.get(method):
                _finish(operation, permissions[operation["operationId"]])
    components = document.setdefault("components", {})
    schemas = {**components.get("schemas", {}), "Problem": PROBLEM, "Attribute": ATTRIBUTE}
    components["schemas"] = referred(schemas)
    components["responses"] = {
        str(status): _problem(status, sentence)
        for status, sentence in sorted({**ALWAYS, **WITH_BODY, **OF_EFFECTS}.items())
    }
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Scopes: "
            + "; ".join(f"`{one.name}`: {one.label}" for one in all_scopes().values()),
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The console's own login; writing needs the header X-CSRFToken too.",
        },
    }
    return document


def _finish(operation: dict[str, Any], permission: str) -> None:
    scope = scope_with(permission)
    operation["security"] = [{"token": [scope]}, {"session": []}]
    operation["x-permission"] = permission
    statuses = ALWAYS | WITH_BODY if "requestBody" in operation else dict(ALWAYS)
    parameters = operation.setdefault("parameters", [])
    parameters.append(numbers.PARAMETER)
    effect = any(parameter["name"] == HEADER for parameter in parameters)
    if effect:
        statuses |= OF_EFFECTS
    responses = {str(status): response for status, response in operation["responses"].items()}
    for response in responses.values():
        response["headers"] = {**REQUEST_ID, **response.get("headers", {})}
        if effect:
            response["headers"][REPLAYED] = {"schema": {"type": "string", "const": "true"}}
    for status in statuses:
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    operation["responses"] = dict(sorted(responses.items()))


def _problem(status: int, sentence: str) -> dict[str, Any]:
    headers: dict[str, Any] = dict(REQUEST_ID)
    if status in (429, 503):
        headers |= WAIT
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}, "required": True}
    return {
        "description": sentence,
        "headers": headers,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }

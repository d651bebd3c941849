"""Trouble with a table, as AWS words it, put in where botocore would send the request."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from botocore import exceptions as boto

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding

ROLE = "arn:aws:sts::123456789012:assumed-role/console/i-0"


def refused(code: str, message: str, status: int = 400) -> tuple[Any, dict[str, Any]]:
    """An answer of DynamoDB's that is an error."""
    parsed = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(status_code=status, headers={}), parsed


def denied(operation: str, arn: str) -> tuple[Any, dict[str, Any]]:
    return refused(
        "AccessDeniedException",
        f"User: {ROLE} is not authorized to perform: dynamodb:{operation} on resource: {arn} "
        "because no identity-based policy allows the action",
    )


@contextlib.contextmanager
def trouble(
    table: Binding, fault: tuple[Any, dict[str, Any]] | Exception, *operations: str
) -> Iterator[list[str]]:
    """Calls about `table` (of these operations, or any) fail so; yields the operations that did."""
    met: list[str] = []

    def handler(model: Any, params: dict[str, Any], **_: Any) -> Any:
        body = params["body"] if isinstance(params["body"], str) else params["body"].decode()
        if f'"{table.name}"' not in body or (operations and model.name not in operations):
            return None
        met.append(model.name)
        if isinstance(fault, Exception):
            raise fault
        http, parsed = fault
        return http, {**parsed}

    events = [
        clients.client(*table.location, background=background).meta.events for background in (False, True)
    ]
    for registry in events:
        registry.register("before-call.dynamodb", handler)
    try:
        yield met
    finally:
        for registry in events:
            registry.unregister("before-call.dynamodb", handler)


def kinds(table: Binding) -> dict[str, tuple[tuple[Any, dict[str, Any]] | Exception, str]]:
    """The kinds of trouble: what to inject, and a word of what the page must say."""
    arn = f"arn:aws:dynamodb:{table.region}:123456789012:table/{table.name}"
    return {
        "table_missing": (refused("ResourceNotFoundException", "Requested resource not found"), "_TABLE"),
        "index_missing": (
            refused("ValidationException", "The table does not have the specified index: status-index"),
            "dynamo migrate",
        ),
        "access_denied": (denied("Query", arn), "Add this statement"),
        "throttled": (refused("ThrottlingException", "Rate exceeded"), "try again"),
        "unreachable": (
            boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            "be connected to",
        ),
        "credentials": (refused("ExpiredTokenException", "The security token is expired"), "has expired"),
        "server_fault": (
            refused("InternalServerError", "Internal server error", 500),
            "Internal server error",
        ),
    }

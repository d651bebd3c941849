"""Calls to AWS as figures, and as lines of the log where they failed or were slow."""

import logging
from collections.abc import Callable
from functools import cache

from django.conf import settings

from opsportal.dynamo import calls
from opsportal.dynamo.calls import Call
from opsportal.dynamo.errors import UNKNOWN_OPERATION
from opsportal.dynamo.tables import logical_name
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)


def watch() -> None:
    """Count and log every call from now on. For processes that serve; a command's calls are its own affair, and
    many of them fail by design."""
    for watcher in (count, log):
        calls.watch(watcher)


def count(call: Call) -> None:
    if call.service != "dynamodb":
        return
    table = logical_name(call.tables[0]) if call.tables else ""
    increment, observe = _of_calls(table, call.operation, call.outcome)
    increment()
    observe(call.seconds)
    if call.attempts > 1:
        figures.RETRIES.labels(table, call.operation).inc(call.attempts - 1)
    if call.throttled:
        figures.THROTTLES.labels(table, call.operation).inc(call.throttled)
    for name, units in call.units.items():
        _of_units(logical_name(name), call.operation, call.kind)(float(units))


# `labels` checks names and takes a lock: kept, a call's figures cost a third. Labels are bounded by the program.
@cache
def _of_calls(table: str, operation: str, outcome: str) -> tuple[Callable[[], None], Callable[[float], None]]:
    return (
        figures.CALLS.labels(table, operation, outcome).inc,
        figures.CALL_SECONDS.labels(table, operation).observe,
    )


@cache
def _of_units(table: str, operation: str, kind: str) -> Callable[[float], None]:
    return figures.UNITS.labels(table, operation, kind).inc


def log(call: Call) -> None:
    """A warning with AWS's request id. A condition that did not hold is an answer, not a failure; and so is it that
    an emulator does not know an operation, which the pages say."""
    failed = call.outcome not in ("ok", "condition") and call.error not in UNKNOWN_OPERATION
    if not failed and call.seconds < settings.SLOW_CALL_SECONDS:
        return
    ms = round(call.seconds * 1000)
    tables = [logical_name(name) for name in call.tables] if call.service == "dynamodb" else [*call.tables]
    logger.warning(
        "%s on %s %s after %d ms",
        call.operation,
        ", ".join(tables) or call.service,
        f"failed ({call.error})" if failed else "was slow",
        ms,
        extra={
            "service": call.service,
            "operation": call.operation,
            "table": ",".join(tables),
            "outcome": call.outcome,
            "error": call.error,
            "ms": ms,
            "attempts": call.attempts,
            "aws_request_id": call.request_id,
        },
    )

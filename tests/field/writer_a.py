"""Writer A, which matches trades: two programs that write one workflow table, and the orchestrator above them.

Both are given a table of boto3's resources (``resource_table``). Neither knows of the console: no write has a
condition, and what is not in their own memory is not kept.
"""

import contextlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3

from opsportal.dynamo.tables import Binding

logger = logging.getLogger(__name__)

STEPS = {
    "pdfAdapter": "Waiting for upload",
    "tradeExtraction": "Waiting for PDF processing",
    "tradeMatching": "Waiting for extraction",
    "exceptionManagement": "No exceptions",
}
LIFE = timedelta(days=90)
NO_TOKENS = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


def resource_table(binding: Binding) -> Any:
    """The table as a program has it that uses boto3's resources: plain values, and no float."""
    return boto3.resource(
        "dynamodb",
        region_name=binding.region,
        endpoint_url=binding.endpoint or None,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).Table(binding.name)


def stamp() -> str:
    """``2025-12-24T10:00:00.123456+00:00Z``: an offset and a Z."""
    return datetime.now(UTC).isoformat() + "Z"


def initial(key: str, value: str, **about: str) -> dict[str, Any]:
    """The item that begins every run: ``initializing``, all steps pending, new stamps."""
    now = stamp()
    return {
        key: value,
        "correlationId": about.get("correlation_id", f"corr-{value}"),
        "documentId": about.get("document_id", f"documents/{value}.pdf"),
        "sourceType": about.get("source_type", "BANK"),
        "overallStatus": "initializing",
        **{step: {"status": "pending", "activity": waiting} for step, waiting in STEPS.items()},
        "totalTokenUsage": dict(NO_TOKENS),
        "createdAt": now,
        "lastUpdated": now,
        "expiresAt": int((datetime.now(UTC) + LIFE).timestamp()),
    }


def _finished(status: str, activity: str, seconds: str, tokens: int) -> dict[str, Any]:
    """A step that has ended, as both write it: the whole map, so that its ``startedAt`` is lost."""
    return {
        "status": status,
        "activity": activity,
        "completedAt": stamp(),
        "duration": Decimal(seconds),
        "tokenUsage": {"inputTokens": tokens, "outputTokens": 0, "totalTokens": tokens},
    }


class _Steps:
    """The writes of a run after its first; `key` is the table's partition key."""

    key = ""

    def __init__(self, table: Any) -> None:
        self.table = table

    def begin(self, value: str, step: str, activity: str = "Working") -> None:
        """A step runs, and the workflow is `processing`."""
        self._set(
            value,
            {
                "overallStatus": "processing",
                step: {"status": "in-progress", "activity": activity, "startedAt": stamp()},
            },
        )

    def succeed(self, value: str, step: str, *, seconds: str = "17.095", tokens: int = 100) -> None:
        """A step has ended well; the workflow's own status is not written with it."""
        self._set(value, {step: _finished("success", "Done", seconds, tokens)})

    def fail(self, value: str, step: str, error: str) -> None:
        """A step has failed, and the workflow with it."""
        failed = {**_finished("error", "Failed", "1.5", 0), "error": error}
        self._set(value, {"overallStatus": "failed", step: failed})

    def complete(self, value: str) -> None:
        """The workflow has ended well. The totals stay at zero."""
        self._set(value, {"overallStatus": "completed", "totalDuration": Decimal(0)})

    def _set(self, value: str, attributes: dict[str, Any]) -> None:
        """One UpdateItem without a condition: it makes the item where there is none."""
        attributes = {**attributes, "lastUpdated": stamp()}
        self.table.update_item(
            Key={self.key: value},
            UpdateExpression="SET " + ", ".join(f"#{n} = :{n}" for n in range(len(attributes))),
            ExpressionAttributeNames={f"#{n}": name for n, name in enumerate(attributes)},
            ExpressionAttributeValues={f":{n}": new for n, new in enumerate(attributes.values())},
        )


class StatusTracker(_Steps):
    """Keyed ``processing_id``. Its first write puts the whole item, over whatever is there."""

    key = "processing_id"

    def initialize(self, processing_id: str, **about: str) -> None:
        self.table.put_item(Item=initial(self.key, processing_id, **about))


class StatusWriter(_Steps):
    """Keyed ``sessionId``. Errors are logged and swallowed, for the status is nobody's main concern: its first
    write has a float, which boto3's resources refuse, so ``createdAt`` is never written.

    `float_durations`: each write of a step that has ended is lost too, and the last of all succeeds.
    """

    key = "sessionId"

    def __init__(self, table: Any, *, float_durations: bool = False) -> None:
        super().__init__(table)
        self.float_durations = float_durations

    def initialize(self, session_id: str, **about: str) -> None:
        with _swallowed(session_id):
            self.table.put_item(Item={**initial(self.key, session_id, **about), "totalDuration": 0.0})

    def _set(self, value: str, attributes: dict[str, Any]) -> None:
        if self.float_durations:
            attributes = {
                name: {**new, "duration": float(new["duration"])}
                if isinstance(new, dict) and "duration" in new
                else new
                for name, new in attributes.items()
            }
        with _swallowed(value):
            super()._set(value, attributes)


@contextlib.contextmanager
def _swallowed(session_id: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        logger.error("[%s] could not write the status: %s", session_id, error)


class Orchestrator:
    """Runs the agents, one step after the other. It knows no retry: one is a run like any other, and begins with
    the initial PutItem of the tracker. `fromStep` of a command is not read."""

    def __init__(self, table: Any, *, key: str = "processing_id") -> None:
        self.status = StatusTracker(table)
        self.status.key = key

    def take_up(self, command: dict[str, Any]) -> str:
        """Begin the run that a command asks for; the key of its item."""
        value = str(command["sessionId"])
        about = {"correlation_id": "correlationId", "document_id": "documentId", "source_type": "sourceType"}
        self.status.initialize(
            value, **{ours: command[theirs] for ours, theirs in about.items() if command.get(theirs)}
        )
        return value

    def run(self, command: dict[str, Any], *, fails_at: str = "", error: str = "quota exceeded") -> None:
        """A whole run; `fails_at` names the step that fails."""
        value = self.take_up(command)
        for step in STEPS:
            self.status.begin(value, step)
            if step == fails_at:
                self.status.fail(value, step, error)
                return
            self.status.succeed(value, step)
        self.status.complete(value)

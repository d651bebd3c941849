"""The workflow status item, read from DynamoDB, and the permissions of this app."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, NamedTuple

from django.db import models

from opsportal.dynamo.attributes import Malformed, MapAttribute, NumberAttribute, TextAttribute, TimeAttribute
from opsportal.dynamo.json_values import total
from opsportal.dynamo.models import DynamoModel
from tracking.statuses import STATUSES, is_open, is_terminal, lower
from tracking.steps import STEP_STATUSES, Step, Tokens, read_error, read_tokens, steps_of


class StepError(NamedTuple):
    """An error, of a step that says it failed or (`failed` is False) says otherwise."""

    label: str
    error: object
    failed: bool


class Workflow(DynamoModel):
    """One orchestrator session. Attributes may be None (missing) or `Malformed`."""

    logical: ClassVar[str] = "workflows"
    documented: ClassVar[Mapping[str, Collection[str]]] = {"overallStatus": STATUSES}
    inert: ClassVar[Mapping[str, str]] = {"overallStatus": "completed"}

    session_id = TextAttribute(hash_key=True, attr_name="sessionId")
    correlation_id = TextAttribute(attr_name="correlationId")
    document_id = TextAttribute(attr_name="documentId")
    source_type = TextAttribute(attr_name="sourceType")
    overall_status = TextAttribute(attr_name="overallStatus")
    total_token_usage = MapAttribute(attr_name="totalTokenUsage")
    total_duration = NumberAttribute(attr_name="totalDuration")
    created_at = TimeAttribute(attr_name="createdAt")
    last_updated = TimeAttribute(attr_name="lastUpdated")
    expires_at = TimeAttribute(attr_name="expiresAt")
    # What the console's own actions write.
    cancelled_at = TimeAttribute(attr_name="cancelledAt")
    cancelled_by = TextAttribute(attr_name="cancelledBy")
    failed_at = TimeAttribute(attr_name="failedAt")
    failed_by = TextAttribute(attr_name="failedBy")
    completed_at = TimeAttribute(attr_name="completedAt")
    completed_by = TextAttribute(attr_name="completedBy")
    retry_count = NumberAttribute(attr_name="retryCount")

    @cached_property
    def steps(self) -> list[Step]:
        return steps_of(self.raw)

    @property
    def known(self) -> frozenset[str]:
        return super().known | {"error"} | {step.key for step in self.steps}

    @property
    def unreadable(self) -> dict[str, str]:
        """Also what could not be read in the steps."""
        found = super().unreadable
        for step in self.steps:
            for name, malformed in step.malformed_parts:
                found[f"{step.key}.{name}" if name else step.key] = malformed.reason
        return found

    @property
    def undocumented(self) -> dict[str, str]:
        """Also the steps' statuses."""
        statuses = {f"{step.key}.status": step.status for step in self.steps if isinstance(step.status, str)}
        odd = {path: status for path, status in statuses.items() if status.lower() not in STEP_STATUSES}
        return super().undocumented | odd

    @cached_property
    def totals(self) -> Tokens:
        """`totalTokenUsage` as recorded."""
        return read_tokens(self.raw.get("totalTokenUsage"))

    @property
    def is_terminal(self) -> bool:
        """Compared without case; an unknown status is not terminal (it may go on)."""
        return is_terminal(self.overall_status)

    @cached_property
    def is_open(self) -> bool:
        """Whether it should move on. Of an unknown status that is not known."""
        return is_open(self.overall_status)

    @property
    def ended_by_hand_at(self) -> datetime | Malformed | None:
        """When the console's own action gave it the status that it has; what was ended once may run again."""
        stamps = {"cancelled": self.cancelled_at, "failed": self.failed_at, "completed": self.completed_at}
        return stamps.get(lower(self.overall_status))

    @property
    def cancelled_from_here(self) -> bool:
        """Whether it stands cancelled by the console's own action."""
        return lower(self.overall_status) == "cancelled" and self.cancelled_at is not None

    @cached_property
    def updated_at(self) -> datetime | None:
        """The newest stamp that says the workflow moved: its own, a step's, or its creation."""
        stamps = [self.last_updated, self.created_at]
        for step in self.steps:
            stamps += (step.started_at, step.completed_at, step.last_updated)
        return max((stamp for stamp in stamps if isinstance(stamp, datetime)), default=None)

    @property
    def started_at(self) -> datetime | None:
        """Creation, or the earliest step where that is missing."""
        if isinstance(self.created_at, datetime):
            return self.created_at
        return min((step.began_at for step in self.steps if step.began_at), default=None)

    @property
    def ended_at(self) -> datetime | None:
        """The last recorded end, once the workflow is terminal."""
        if not self.is_terminal:
            return None
        ends = [step.completed_at for step in self.steps if isinstance(step.completed_at, datetime)]
        if isinstance(self.ended_by_hand_at, datetime):
            ends.append(self.ended_by_hand_at)
        return max(ends, default=None) or self.updated_at

    @cached_property
    def step_tokens(self) -> Decimal:
        """The sum of the steps' recorded total tokens (docs/data.md, point 3)."""
        return total(s.tokens.total for s in self.steps if isinstance(s.tokens.total, Decimal))

    @cached_property
    def step_seconds(self) -> Decimal:
        """The sum of the steps' durations, in seconds."""
        return total(step.seconds for step in self.steps if step.seconds is not None)

    @property
    def tokens(self) -> Decimal:
        """The steps' sum, or the recorded total where no step has any."""
        recorded = self.totals.total
        return self.step_tokens or (recorded if isinstance(recorded, Decimal) else Decimal(0))

    @property
    def seconds(self) -> Decimal | None:
        """How long it worked: the steps' sum, or the recorded total; None when nothing is recorded."""
        if self.step_seconds:
            return self.step_seconds
        return self.total_duration if isinstance(self.total_duration, Decimal) else None

    @property
    def first_error(self) -> StepError | None:
        """Of the first step that has one, the workflow's own, or of the first step that failed without one."""
        for step in self.steps:
            if step.error is not None:
                return StepError(step.label, step.error, step.failed)
        if self.own_error is not None:
            return StepError("Workflow", self.own_error, lower(self.overall_status) == "failed")
        for step in self.steps:
            if step.failed:
                return StepError(step.label, step.activity or "failed without an error text", True)
        return None

    @property
    def own_error(self) -> str | Malformed | None:
        """The error that is no step's: undocumented, and what a mark writes where no step can take it."""
        return read_error(self.raw.get("error"))

    @property
    def is_expired(self) -> bool:
        """Past its TTL and not yet deleted, which takes DynamoDB days."""
        return isinstance(self.expires_at, datetime) and self.expires_at <= datetime.now(UTC)


class WorkflowPermissions(models.Model):
    """Holds the app's permissions; there is no relational table of workflows."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_workflows", "Can see workflows"),
            ("cancel_workflows", "Can cancel workflows"),
            ("retry_workflows", "Can retry workflows"),
            ("fail_workflows", "Can mark workflows failed, and undo it"),
            ("complete_workflows", "Can mark workflows completed, and undo it"),
            ("purge_workflows", "Can purge finished or expired workflows, and undo it"),
        ]

    def __str__(self) -> str:
        return "Permissions on workflows"

"""The API of workflows: list, read, and what `action_views.ACTIONS` lets programs do."""

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field, StrictBool, model_validator

from opsportal.api import effects
from opsportal.api.answers import (
    FindingOut,
    PageOut,
    WaitingOut,
    answer,
    attributes,
    findings_of,
    number,
    time_text,
    waiting_of,
    words,
)
from opsportal.api.effects import ReasonIn
from opsportal.api.lists import GivenText, page_document
from opsportal.api.problems import ApiProblem
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.exports.api import CONTENT, ExportedQuery, answer_file
from opsportal.operations.entries import Entry
from opsportal.operations.item_pages import Watched, watch
from opsportal.operations.tags import Action
from tracking import actions, queries, waiting
from tracking.action_views import ACTIONS
from tracking.exported import EXPORT
from tracking.findings import findings
from tracking.models import Workflow
from tracking.steps import Step

router = Router(tags=["Workflows"])


class StepOut(Schema):
    key: str
    label: str
    status: str
    activity: str | None
    started_at: str | None = Field(description="Recorded, or derived from end and duration.")
    completed_at: str | None
    seconds: float | None
    tokens: float | None
    error: str | None


class WorkflowOut(Schema):
    """One session. What could not be read as documented is null, and named by a finding."""

    id: str
    url: str
    status: str | None
    source_type: str | None
    document_id: str | None
    correlation_id: str | None
    created_at: str | None
    updated_at: str | None
    ended_at: str | None
    expires_at: str | None
    tokens: float
    seconds: float | None
    error: str | None = Field(description="The first step's that has one.")
    findings: list[FindingOut]
    steps: list[StepOut]


class WorkflowItemOut(WorkflowOut):
    waiting: WaitingOut | None = Field(
        description="Why it waits, of one that has not begun, waits between two steps or is stuck, where that is known."
    )
    attributes: dict[str, Any] = Field(description="The whole item as it is in the table.")
    action_notes: dict[str, str] = Field(
        description="By action (`cancel`, `fail`, `retry`): how many of its steps one change holds, where that is not all."
    )


class WorkflowPageOut(PageOut):
    items: list[WorkflowOut]


class WorkflowQuery(ExportedQuery):
    status: GivenText = Field("", description="Compared without case.")
    source: GivenText = Field("", description="Source type.")
    stuck: bool = Field(False, description="Only what is stuck, of the open statuses.")
    attention: bool = Field(False, description="Only what has an error or a finding.")
    case: GivenText = Field("", description="The id of a failure case: only what failed so.")
    q: GivenText = Field("", description="Text in the session, correlation or document id.")
    anycase: bool = Field(False, description="Ignore case when `q` is compared.")
    outside: bool = Field(False, description="In place of all else: items that the index can't hold.")


class RetryIn(ReasonIn):
    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"from_step": {"const": ""}}},
                {"properties": {"from_failed": {"const": False}}},
            ]
        }
    )

    from_step: Annotated[
        str,
        Field(
            description="The attribute of a recorded step: that one and those after it run again. Empty: the whole. "
            "The orchestrators get it and may ignore it.",
        ),
    ] = ""
    from_failed: Annotated[
        StrictBool, Field(description="From the first failed step on, in place of `from_step`.")
    ] = False

    @model_validator(mode="after")
    def _one_start(self) -> "RetryIn":
        if self.from_step and self.from_failed:
            raise ValueError("Send from_step or from_failed, not both.")
        return self

    def is_of(self, entry: Entry) -> bool:
        return actions.started_from(entry, self.from_step, self.from_failed)


LINKS = effects.item_links(ACTIONS, "$response.body#/items/0/id", "get_workflow", "workflow_status")
STATE = effects.current_of("overallStatus", "lastUpdated", "retryCount", "cancelledAt", "cancelledBy")


@router.get(
    "/workflows",
    response=WorkflowPageOut,
    openapi_extra={"responses": {200: {"links": LINKS, "content": CONTENT}}},
    summary="Workflows, newest first",
)
@requires("tracking.view_workflows")
@admitted(Load.LIST)
def list_workflows(request: HttpRequest, query: Query[WorkflowQuery]) -> HttpResponseBase:
    query.only_known_in(request)
    if file := answer_file(request, query, EXPORT):
        return file
    span, purpose = query.time_range().span, query.purpose("workflows")
    page = queries.chosen(query.values(), span, purpose=purpose, cursor=query.cursor)
    return answer(page_document(page, [_row(Workflow.from_item(raw)) for raw in page.items]))


@router.get("/workflows/{key:session_id}", response=WorkflowItemOut, summary="One workflow")
@requires("tracking.view_workflows")
def get_workflow(request: HttpRequest, session_id: str) -> HttpResponse:
    workflow = queries.workflow(session_id)
    if workflow is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)
    notes = actions.notes_before(workflow.raw, datetime.now(UTC))
    more = {"attributes": attributes(workflow.raw), "action_notes": notes}
    return answer(
        {**_row(workflow), "waiting": waiting_of(waiting.reason(workflow, _watched(workflow))), **more}
    )


effects.item_operations(router, ACTIONS, state=STATE, bodies={Action.WORKFLOW_RETRY: RetryIn})


def _watched(workflow: Workflow) -> Watched:
    """Whether its command is on its way, of one that was retried."""
    if not (workflow.is_open and workflow.retry_count):
        return Watched()
    return watch(ACTIONS.target(workflow.id), workflow.raw, "lastUpdated", ACTIONS.still_holds)


def _row(workflow: Workflow) -> dict[str, Any]:
    """See `WorkflowOut`."""
    first = workflow.first_error
    return {
        "id": workflow.id,
        "url": effects.url_of(ACTIONS, workflow.id),
        "status": words(workflow.overall_status),
        "source_type": words(workflow.source_type),
        "document_id": words(workflow.document_id),
        "correlation_id": words(workflow.correlation_id),
        "created_at": time_text(workflow.created_at),
        "updated_at": time_text(workflow.updated_at),
        "ended_at": time_text(workflow.ended_at),
        "expires_at": time_text(workflow.expires_at),
        "tokens": workflow.tokens,
        "seconds": workflow.seconds,
        "error": words(first.error) if first else None,
        "findings": findings_of(findings(workflow)),
        "steps": [_step_row(step) for step in workflow.steps],
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "label": step.label,
        "status": step.status_text if step.present else "pending",
        "activity": words(step.activity),
        "started_at": time_text(step.began_at),
        "completed_at": time_text(step.completed_at),
        "seconds": step.seconds,
        "tokens": number(step.tokens.total),
        "error": words(step.error),
    }

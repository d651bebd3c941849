"""The API of requests: submit, list, read, and what `action_views.ACTIONS` lets programs do."""

from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Body, Query, Router, Schema
from pydantic import Field

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
from opsportal.api.effects import EffectOut
from opsportal.api.lists import GivenText, page_document
from opsportal.api.problems import ApiProblem
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.exports.api import CONTENT, ExportedQuery, answer_file
from requests_app import actions, dialects, queries
from requests_app.action_views import ACTIONS, watched
from requests_app.exported import EXPORT
from requests_app.findings import findings
from requests_app.models import IntelligenceRequest
from requests_app.submitted import SubmissionIn, asked_by
from requests_app.waiting import wait_of

router = Router(tags=["Requests"])

STATE = effects.current_of("status", "updated_at", "started_at", "completed_at")


class ProgressOut(Schema):
    stage: str | None
    percentage: float | None
    urls_found: float | None
    content_extracted: float | None
    processing_errors: float | None


class RequestOut(Schema):
    """One request. What could not be read as documented is null."""

    id: str
    url: str
    status: str | None
    status_message: str | None
    priority: str | None
    project_id: str | None
    user_id: str | None
    request_type: str | None
    processing_strategy: str | None
    created_at: str | None
    updated_at: str | None
    started_at: str | None
    completed_at: str | None
    progress: ProgressOut
    error: str | None = Field(
        description="The first; of a failed request without any, what its status message says."
    )


class RequestItemOut(RequestOut):
    findings: list[FindingOut]
    waiting: WaitingOut | None = Field(
        description="Why it waits, of one that is pending or stuck, where that is known."
    )
    attributes: dict[str, Any] = Field(description="The whole item as it is in the table.")


class RequestPageOut(PageOut):
    items: list[RequestOut]


class RequestQuery(ExportedQuery):
    status: GivenText = Field("", description="Compared without case.")
    user: GivenText = ""
    project: GivenText = ""
    strategy: GivenText = ""
    priority: GivenText = ""
    type: GivenText = ""
    stuck: bool = Field(False, description="Only what is stuck, of the open statuses.")
    attention: bool = Field(False, description="Only what has an error or a finding.")
    case: GivenText = Field("", description="The id of a failure case: only what failed so.")
    q: GivenText = Field("", description="Text in the id, the project, the user or the type.")
    anycase: bool = Field(False, description="Ignore case when `q` is compared.")
    sort: Literal["", "newest", "priority"] = Field("", description="Empty: what the filters suggest.")
    outside: bool = Field(False, description="In place of all else: items that the index can't hold.")


READS = ("get_request", "list_request_logs")


@router.post(
    "/requests",
    response={201: EffectOut},
    openapi_extra={
        **effects.EXTRA,
        "responses": {
            201: {
                "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
                "links": effects.item_links(ACTIONS, "$response.body#/target/id", *READS),
            }
        },
    },
    summary="Submit a request",
)
@requires("requests_app.submit_requests")
def submit_request(request: HttpRequest, body: Body[SubmissionIn]) -> HttpResponse:
    dialect = dialects.current()
    asked = asked_by(body, dialect)
    done = effects.carry_out(
        request,
        lambda by, action_id: actions.submit_once(
            asked, by=by, reason=body.reason, action_id=action_id, dialect=dialect
        ),
        kind="requests",
        reason=body.reason,
        state=STATE,
    )
    url = effects.url_of(ACTIONS, done.entry.target.id)
    headers = {"Location": url, **effects.headers_of(done)}
    return answer(effects.effect(done, "requests", url), 201, headers)


@router.get(
    "/requests",
    response=RequestPageOut,
    openapi_extra={
        "responses": {
            200: {
                "links": effects.item_links(ACTIONS, "$response.body#/items/0/id", *READS),
                "content": CONTENT,
            }
        }
    },
    summary="Requests, by the index that serves the filters",
)
@requires("requests_app.view_requests")
@admitted(Load.LIST)
def list_requests(request: HttpRequest, query: Query[RequestQuery]) -> HttpResponseBase:
    query.only_known_in(request)
    if file := answer_file(request, query, EXPORT):
        return file
    span, purpose = query.time_range().span, query.purpose("requests")
    page = queries.chosen(query.values(), span, purpose=purpose, cursor=query.cursor)
    return answer(page_document(page, [_row(IntelligenceRequest.from_item(raw)) for raw in page.items]))


@router.get("/requests/{key:request_id}", response=RequestItemOut, summary="One request")
@requires("requests_app.view_requests")
def get_request(request: HttpRequest, request_id: str) -> HttpResponse:
    found = queries.request(request_id)
    if found is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)
    now = datetime.now(UTC)
    wait = wait_of(found, watched(found), now)
    document = _row(found) | {
        "findings": findings_of(findings(found, now, wait.overtakers)),
        "waiting": waiting_of(wait.why),
        "attributes": attributes(found.raw),
    }
    return answer(document)


effects.item_operations(router, ACTIONS, state=STATE)


def _row(found: IntelligenceRequest) -> dict[str, Any]:
    """See `RequestOut`."""
    progress = found.progress
    return {
        "id": found.id,
        "url": effects.url_of(ACTIONS, found.id),
        **{
            name: words(getattr(found, name))
            for name in (
                "status", "status_message", "priority", "project_id", "user_id", "request_type",
                "processing_strategy",
            )
        },
        **{
            name: time_text(getattr(found, name))
            for name in ("created_at", "updated_at", "started_at", "completed_at")
        },
        "progress": {
            "stage": words(progress.stage),
            **{
                name: number(getattr(progress, name))
                for name in ("percentage", "urls_found", "content_extracted", "processing_errors")
            },
        },
        "error": words(found.first_error),
    }  # fmt: skip

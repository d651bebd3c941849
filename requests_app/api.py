"""The API of requests: submit, list, read, cancel, retry."""

from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Body, Query, Router, Schema
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from opsportal import patterns
from opsportal.api import effects
from opsportal.api.answers import (
    FindingOut,
    PageOut,
    answer,
    attributes,
    findings_of,
    number,
    time_text,
    words,
)
from opsportal.api.documents import ATTRIBUTES
from opsportal.api.effects import NO_REASON, EffectOut, Reason, ReasonIn
from opsportal.api.lists import FilterText, RangedQuery, page_document
from opsportal.api.problems import ApiProblem, Invalid, Wrong
from opsportal.console.access import requires
from opsportal.console.converters import quote_key
from opsportal.dynamo.errors import DynamoError
from requests_app import actions, dialects, json_objects, queries, submission
from requests_app.dialects import Dialect
from requests_app.fields import MOST_SOURCES, Address, BatchSize, CustomParams, Line, Retries, Share
from requests_app.findings import findings
from requests_app.json_objects import MOST_CHARACTERS, MOST_LEVELS
from requests_app.models import IntelligenceRequest
from requests_app.overtaken import overtakers
from requests_app.source_shapes import SourceShape
from requests_app.submission import ConfigPart, Submission, SubmissionPart

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
    error: str | None = Field(description="The first.")


class RequestItemOut(RequestOut):
    findings: list[FindingOut]
    attributes: dict[str, Any] = Field(description="The whole item as it is in the table.")


class RequestPageOut(PageOut):
    items: list[RequestOut]


class RequestQuery(RangedQuery):
    status: FilterText = Field("", description="Compared without case.")
    user: FilterText = ""
    project: FilterText = ""
    strategy: FilterText = ""
    priority: FilterText = ""
    type: FilterText = ""
    q: FilterText = Field("", description="Text in the id, the project, the user or the type.")
    sort: Literal["", "newest", "priority"] = Field("", description="Empty: what the filters suggest.")
    outside: bool = Field(False, description="In place of all else: items that the index can't hold.")


def _no_text(value: Any) -> Any:
    """Forms have text for everything, JSON has numbers and objects."""
    if isinstance(value, str):
        raise PydanticCustomError("text", "It must not be a text.")
    return value


def _share(value: Any) -> Any:
    if isinstance(value, str) and not patterns.whole(patterns.SHARE, value):
        raise PydanticCustomError("share", "0 to 1, with at most six decimals.")
    return value


NoText = BeforeValidator(_no_text)


def _one_of_each(schema: dict[str, Any]) -> None:
    for name in ("base_url", "source_type", "url", "type"):
        schema["properties"][name].pop("default")
    schema["allOf"] = [
        {"oneOf": [{"required": ["base_url"]}, {"required": ["url"]}]},
        {"oneOf": [{"required": ["source_type"]}, {"required": ["type"]}]},
    ]


class SourceIn(Schema):
    """Where a worker looks, in either of the forms that writers use: `{name, base_url, source_type}` or
    `{name, type, url}`. It is kept as it was sent; where the table's own requests agree on other names, these are
    written beside it, so that its workers can read it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_one_of_each)

    name: Line
    base_url: Address = ""
    source_type: Line = ""
    url: Address = ""
    type: Line = ""

    @model_validator(mode="after")
    def _either(self) -> "SourceIn":
        for documented, short in (("base_url", "url"), ("source_type", "type")):
            sent = self.model_fields_set & {documented, short}
            if len(sent) != 1:
                wrong = PydanticCustomError("either", f"Send either {documented} or {short}.")
                raise ValidationError.from_exception_data(
                    "SourceIn", [{"type": wrong, "loc": (short if sent else documented,), "input": None}]
                )
        return self

    def asked(self) -> dict[str, Any]:
        """As `submission.Source` takes it."""
        address = "base_url" if self.base_url else "url"
        type_ = "source_type" if self.source_type else "type"
        return {
            "name": self.name,
            "base_url": getattr(self, address),
            "source_type": getattr(self, type_),
            "shape": SourceShape.named(name="name", address=address, type=type_),
            "sent": True,
        }


class ConfigIn(ConfigPart):
    sources: list[SourceIn] = Field(min_length=1, max_length=MOST_SOURCES)
    quality_threshold: Annotated[Share, BeforeValidator(_share)]
    batch_size: Annotated[BatchSize, NoText]
    max_retries: Annotated[Retries, NoText]
    custom_params: Annotated[
        CustomParams,
        NoText,
        Field(
            default_factory=dict,
            description=f"At most {MOST_CHARACTERS:,} characters and {MOST_LEVELS} levels.",
            json_schema_extra={**ATTRIBUTES},
        ),
    ]


def _with_known_types(schema: dict[str, Any]) -> None:
    if settings.REQUEST_TYPES:
        known = {
            "enum": list(settings.REQUEST_TYPES),
            "description": "Those of recent requests are taken too.",
        }
        schema["properties"]["request_type"] |= known


class SubmissionIn(SubmissionPart):
    """A new request, with the bounds of the console's form."""

    model_config = ConfigDict(json_schema_extra=_with_known_types)

    config: ConfigIn
    extra: Annotated[
        CustomParams,
        NoText,
        Field(
            default_factory=dict,
            description="Attributes that the documents do not name, written as they are sent. Those that this "
            f"table's requests have are in the console's form. At most {MOST_CHARACTERS:,} characters.",
            json_schema_extra={**ATTRIBUTES},
        ),
    ]
    reason: Reason = ""


def _links(pointer: str) -> dict[str, Any]:
    return {
        name: {"operationId": name, "parameters": {"request_id": pointer}}
        for name in ("get_request", "list_request_logs", "cancel_request", "retry_request")
    }


@router.post(
    "/requests",
    response={201: EffectOut},
    openapi_extra={
        **effects.EXTRA,
        "responses": {
            201: {
                "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
                "links": _links("$response.body#/target/id"),
            }
        },
    },
    summary="Submit a request",
)
@requires("requests_app.submit_requests")
def submit_request(request: HttpRequest, body: Body[SubmissionIn]) -> HttpResponse:
    dialect = dialects.current()
    asked = _known(body, dialect)
    done = effects.carry_out(
        request,
        lambda by, action_id: actions.submit_once(
            asked, by=by, reason=body.reason, action_id=action_id, dialect=dialect
        ),
        kind="requests",
        reason=body.reason,
        state=STATE,
    )
    url = url_of(done.entry.target.key)
    headers = {"Location": url, **effects.headers_of(done)}
    return answer(effects.effect(done, "requests", url), 201, headers)


def _known(body: SubmissionIn, dialect: Dialect) -> Submission:
    """Validated again with the types of request that are known, which django-ninja can't pass on, and with what the
    table's dialect requires."""
    try:
        types = queries.request_types()
    except DynamoError:
        types = None
    sent = body.model_dump(exclude={"reason": True, "config": {"sources"}, "extra": True})
    sent["config"]["sources"] = [source.asked() for source in body.config.sources]
    sent["extra"] = {name: json_objects.typed(value) for name, value in body.extra.items()}
    try:
        asked = submission.read(sent, types)
    except ValidationError as error:
        raise Invalid(
            Wrong("body", problem.loc, problem.sentence) for problem in submission.problems(error)
        ) from error
    if missing := dialect.missing(asked.extra):
        raise Invalid(
            Wrong("body", ("extra", name), "This is needed: the setting REQUEST_DIALECT requires it.")
            for name in missing
        )
    return asked


@router.get(
    "/requests",
    response=RequestPageOut,
    openapi_extra={"responses": {200: {"links": _links("$response.body#/items/0/id")}}},
    summary="Requests, by the index that serves the filters",
)
@requires("requests_app.view_requests")
def list_requests(request: HttpRequest, query: Query[RequestQuery]) -> HttpResponse:
    query.only_known_in(request)
    purpose = query.purpose("requests")
    if query.outside:
        page = queries.outside_index(purpose=purpose, cursor=query.cursor)
    else:
        wanted = queries.RequestFilter(
            status=query.status,
            user=query.user,
            project=query.project,
            strategy=query.strategy,
            priority=query.priority,
            request_type=query.type,
            text=query.q,
            sort=query.sort,
            span=query.time_range().span,
        )
        page = queries.page(wanted, purpose=purpose, cursor=query.cursor)
    return answer(page_document(page, [_row(IntelligenceRequest.of(raw)) for raw in page.items]))


@router.get("/requests/{key:request_id}", response=RequestItemOut, summary="One request")
@requires("requests_app.view_requests")
def get_request(request: HttpRequest, request_id: str) -> HttpResponse:
    found = queries.request(request_id)
    if found is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)
    document = _row(found) | {
        "findings": findings_of(findings(found, overtakers=overtakers(found))),
        "attributes": attributes(found.raw),
    }
    return answer(document)


@router.post(
    "/requests/{key:request_id}/cancel",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Cancel a request",
)
@requires("requests_app.cancel_requests")
def cancel_request(request: HttpRequest, request_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: actions.cancel(request_id, by=by, reason=body.reason, action_id=action_id),
        kind="requests",
        url=url_of(request_id),
        reason=body.reason,
        state=STATE,
    )


@router.post(
    "/requests/{key:request_id}/retry",
    response=EffectOut,
    openapi_extra=effects.EXTRA,
    summary="Retry a request",
)
@requires("requests_app.retry_requests")
def retry_request(request: HttpRequest, request_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    return effects.answered(
        request,
        lambda by, action_id: actions.retry(request_id, by=by, reason=body.reason, action_id=action_id),
        kind="requests",
        url=url_of(request_id),
        reason=body.reason,
        state=STATE,
    )


def url_of(request_id: str) -> str:
    return f"/api/requests/{quote_key(request_id)}"


def _row(found: IntelligenceRequest) -> dict[str, Any]:
    """See `RequestOut`."""
    progress = found.progress
    return {
        "id": found.id,
        "url": url_of(found.id),
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

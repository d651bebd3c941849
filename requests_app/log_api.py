"""The API of the logs of one request: pages, and the whole as a stream of JSON lines."""

from collections.abc import Iterator
from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import Field

from opsportal.api.answers import PageOut, answer, attributes, words
from opsportal.api.lists import GivenText, ListQuery, page_document
from opsportal.api.problems import ApiProblem, Invalid, Wrong
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.streams import streamed
from opsportal.dynamo.attributes import plain
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from requests_app import actions, log_order, logs, queries
from requests_app.models import ProcessingLog

router = Router(tags=["Requests"])


class LogOut(Schema):
    """One line."""

    id: str
    timestamp: Any = Field(description="As it is written.")
    level: str
    stage: str | None
    message: str
    attributes: dict[str, Any] = Field(description="The whole item as it is in the table.")


class LogPageOut(PageOut):
    items: list[LogOut] = Field(description="Newest first.")


class LogQuery(ListQuery):
    level: GivenText = Field(
        "",
        description="Such as WARNING: lines of that level and of those above it, however they are spelled.",
    )
    until: GivenText = Field("", description="A `timestamp`: only lines at or before that time.")
    outside: bool = Field(False, description="The lines that the index can't hold, for want of a stamp.")
    format: Literal["json", "ndjson"] = Field(
        "json", description="ndjson: all lines that the filters show, oldest first, as a stream."
    )


@router.get(
    "/requests/{key:request_id}/logs",
    response=LogPageOut,
    openapi_extra={"responses": {200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}},
    summary="The logs of a request",
)
@requires("requests_app.view_requests")
@admitted(Load.LIST)
def list_request_logs(request: HttpRequest, request_id: str, query: Query[LogQuery]) -> HttpResponseBase:
    query.only_known_in(request)
    wanted = logs.LogFilter.asked_for(request_id, query.level, query.until, query.outside)
    if query.format == "ndjson":
        if query.outside:
            raise Invalid(
                [Wrong("query", ("format",), "Lines outside the index come as pages only.")], status=400
            )
        return _stream(request, wanted)
    page = logs.page(wanted, purpose=f"{query.purpose('logs')}:{request_id}", cursor=query.cursor)
    if not page.items and queries.request(request_id) is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)
    if said := log_order.of_one_time(page.items):
        page.notes.append(said)
    return answer(page_document(page, [_line(ProcessingLog.from_item(raw)) for raw in page.items]))


def _stream(request: HttpRequest, wanted: logs.LogFilter) -> HttpResponseBase:
    """The first page is read now, so that an error has its status."""
    first, lines = logs.begun(wanted)
    if first is None and queries.request(wanted.request_id) is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)

    def body() -> Iterator[bytes]:
        try:
            if first is not None:
                yield _ndjson(_line(first))
            for line in lines:
                yield _ndjson(_line(line))
        except DynamoError as error:
            # The status is sent; a stream that ends early must say so itself.
            yield _ndjson({"incomplete": error.sentence})

    return streamed(request, body(), "application/x-ndjson")


def _ndjson(document: dict[str, Any]) -> bytes:
    return as_json(document).encode(errors="replace") + b"\n"


def _line(line: ProcessingLog) -> dict[str, Any]:
    """See `LogOut`."""
    stamp = line.raw.get("timestamp")
    return {
        "id": line.id,
        "timestamp": plain(stamp) if stamp else None,
        "level": line.level,
        "stage": words(line.stage),
        "message": line.text,
        "attributes": attributes(line.raw),
    }

"""What the search finds of requests and of their logs."""

from collections.abc import Mapping, Sequence

from django.urls import reverse

from opsportal.dynamo.expressions import AnyOf, Clause
from opsportal.dynamo.folded import holds_text
from opsportal.dynamo.pages import Raw, scan_page
from opsportal.dynamo.searching import Step, step
from opsportal.dynamo.spans import Span
from opsportal.search.sources import Hit, Keyed, Searched, key_of
from requests_app import queries
from requests_app.log_views import permalink
from requests_app.models import IntelligenceRequest, ProcessingLog
from requests_app.tables import REQUESTS

# The texts of a log line.
LOG_TEXTS = (("message", "log line"), ("request_id", "request id"))


def keys(text: str) -> Sequence[Keyed]:
    return key_of(queries.table(), text)


def hit(item: Raw) -> Hit:
    request = IntelligenceRequest.from_item(item)
    return Hit(
        "requests",
        "Request",
        request.id,
        reverse("requests:item", args=[request.id]),
        request.status,
        request.progress.stage,
        request.touched_at,
    )


SEARCHED = Searched(
    "requests",
    "Request",
    "requests",
    "requests_app.view_requests",
    queries.table,
    keys,
    hit,
    attributes=tuple(zip(queries.SEARCHED, ("project", "user", "type"), strict=True)),
    indexed=("project_id", "user_id"),
    declared=tuple(REQUESTS.index(name) for name in ("project-index", "user-index")),
    known=queries.READS.sampled,
    read=queries.search,
    list_view="requests:list",
)


def log_keys(text: str) -> Sequence[Keyed]:
    return key_of(ProcessingLog.binding(), text)


def log_hit(item: Raw) -> Hit | None:
    """None for a line that is no request's: no page shows it."""
    line = ProcessingLog.from_item(item)
    if not isinstance(line.request_id, str) or not line.request_id:
        return None
    url = permalink(line.request_id, line)
    return Hit("request_logs", "Log line", line.id, url, "", line.stage, line.timestamp)


def search_logs(values: Mapping[str, str], span: Span, *, purpose: str, cursor: str = "") -> Step:
    """One step over the table of log lines, which no index has in the order of time. Raises `DynamoError`."""
    names, text, any_case = [name for name, _ in LOG_TEXTS], values["q"], values.get("anycase")
    wanted = AnyOf(tuple(Clause(name, "contains", (text,)) for name in names))

    return step(
        lambda: scan_page(
            ProcessingLog.binding(),
            purpose=purpose,
            cursor=cursor,
            filters=(*(() if any_case else (wanted,)), *span.wider.clauses("timestamp")),
            keep=holds_text(names, text) if any_case else None,
        ),
        str,
    )


LOGS_SEARCHED = Searched(
    "request_logs",
    "Log line",
    "logs",
    "requests_app.view_requests",
    ProcessingLog.binding,
    log_keys,
    log_hit,
    attributes=LOG_TEXTS,
    read=search_logs,
    on_demand=True,
)

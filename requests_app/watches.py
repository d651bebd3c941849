"""What alert rules can watch of requests: failures, their rate, and what is stuck."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse

from opsportal.alerts import rates
from opsportal.alerts.watches import MOST_FACTS, Fact, Measure, Question, Reading, Watch, register
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.dynamo.merge import Merge, Span
from opsportal.dynamo.tables import Index
from requests_app import queries
from requests_app.models import IntelligenceRequest
from requests_app.statuses import lower, open_statuses
from requests_app.tables import REQUESTS

# Days: what is older is past an operator's care, and is not looked for.
MOST_DAYS = 30


def _tone(request: IntelligenceRequest) -> str:
    return tone_of(str(request.status or "").strip())


def _read(question: Question, tones: Sequence[str], span: Span) -> tuple[list[IntelligenceRequest], bool]:
    """At most `MOST_FACTS`, the newest first, and whether that is all; `tones`: of the statuses, () for all that are
    open. By the index of the user or of the project where the rule names one. Raises `DynamoError`."""
    filters = question.filters
    wanted = queries.RequestFilter(
        user=filters.get("user", ""),
        project=filters.get("project", ""),
        strategy=filters.get("strategy", ""),
        request_type=filters.get("request_type", ""),
    )
    going = open_statuses()
    index: Index
    if wanted.user or wanted.project:
        index = REQUESTS.index("user-index" if wanted.user else "project-index")
        chosen = [wanted.user or wanted.project]
    else:
        index = REQUESTS.index("status-index")
        chosen = [
            status
            for status in queries.statuses().values
            if (tone_of(status) in tones if tones else lower(status) in going)
        ]
    merge = Merge(
        queries.table(),
        index,
        chosen,
        span=span,
        filters=wanted.clauses(index.hash_key),
        projection=queries.ROW,
        limit=MOST_FACTS,
    )
    page = merge.page(purpose="alerts")
    requests = [IntelligenceRequest.of(raw) for raw in page.items]
    kept = [one for one in requests if (_tone(one) in tones if tones else one.is_open)]
    return kept, not page.cursor


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _path(request: IntelligenceRequest) -> str:
    return reverse("requests:item", args=[request.id]) if request.id else ""


def _about(request: IntelligenceRequest) -> dict[str, int | float | str]:
    named = {"project": request.project_id, "user": request.user_id, "stage": request.progress.stage}
    return {name: value for name, value in named.items() if isinstance(value, str)}


def _fits(request: IntelligenceRequest, question: Question) -> bool:
    """Whether a request that was read by its key is of those that the rule asks for."""
    has = {
        "user": request.user_id,
        "project": request.project_id,
        "strategy": request.processing_strategy,
        "request_type": request.request_type,
    }
    return all(has.get(name) == value for name, value in question.filters.items())


# --- Failed ----------------------------------------------------------------------------------------------


def _failure(request: IntelligenceRequest) -> Fact | None:
    at = request.completed_at if isinstance(request.completed_at, datetime) else request.touched_at
    if at is None or _tone(request) != FAILED:
        return None
    error = request.first_error_text
    title = f"Request {request.id} failed"
    return Fact(
        request.id, title, at, _about(request), _path(request), error if isinstance(error, str) else ""
    )


def failed(question: Question) -> Reading:
    """The requests that failed, of those created in the window."""
    found, complete = _read(question, (FAILED,), Span(_text(question.since)))
    return Reading(tuple(fact for one in found if (fact := _failure(one))), complete)


def still_failed(question: Question, key: str) -> Fact | None:
    request = queries.request(key)
    created = request.created_at if request else None
    if request is None or not isinstance(created, datetime) or created < question.since:
        return None
    return _failure(request) if _fits(request, question) else None


# --- The rate of failures --------------------------------------------------------------------------------


def failure_rate(question: Question) -> Reading:
    """Of the requests created in the window (the newest of them, where they are many), how many failed."""
    since = max(question.since, question.baseline)
    found, complete = _read(question, (FAILED, SUCCESS), Span(_text(since)))
    ended = [
        (_tone(one) == FAILED, one.created_at if isinstance(one.created_at, datetime) else None)
        for one in found
    ]
    path = f"{reverse('requests:list')}?status=failed&range=24h"
    return rates.reading(question, ended, complete, "Requests", path)


# --- Stuck -----------------------------------------------------------------------------------------------


def _stuck(request: IntelligenceRequest, question: Question) -> Fact | None:
    touched, limit = request.touched_at, timedelta(minutes=question.threshold)
    if not request.is_open or touched is None or question.now - touched < limit:
        return None
    minutes = int((question.now - touched).total_seconds() // 60)
    status = request.status if isinstance(request.status, str) else ""
    figures: dict[str, int | float | str] = {
        "minutes_without_update": minutes,
        "status": status,
        **_about(request),
    }
    return Fact(request.id, f"Request {request.id} is stuck", touched + limit, figures, _path(request))


def stuck(question: Question) -> Reading:
    """The requests that a worker took and left, or that nobody took, for so many minutes."""
    latest = question.now - timedelta(minutes=question.threshold)
    span = Span(_text(question.now - timedelta(days=MOST_DAYS)), _text(latest) + "~")
    found, complete = _read(question, (), span)
    return Reading(tuple(fact for one in found if (fact := _stuck(one, question))), complete)


def still_stuck(question: Question, key: str) -> Fact | None:
    request = queries.request(key)
    return _stuck(request, question) if request and _fits(request, question) else None


FILTERS = {"user": "User", "project": "Project", "strategy": "Strategy", "request_type": "Type"}


def register_all() -> None:
    register(
        Watch(
            name="request.failed",
            label="A request failed",
            explained="Each request whose status says failed, once; over when it is retried, purged or too old.",
            kind="request",
            read=failed,
            still=still_failed,
            over="It is not failed any more, or it is older than the rule looks back.",
            window=Measure("Created within minutes", lambda: 1440, 5, MOST_DAYS * 1440),
            filters=FILTERS,
            calm_minutes=1,
        )
    )
    register(
        Watch(
            name="request.failure_rate",
            label="Too many requests fail",
            explained="The share of failures among the requests of the window that ended, well or badly.",
            kind="request",
            read=failure_rate,
            over="The failure rate is below the threshold.",
            threshold=Measure("Failure rate in percent", lambda: 20, 0.1, 100),
            minimum=Measure("Of at least so many that ended", lambda: 10, 1, MOST_FACTS),
            window=Measure("Created within minutes", lambda: 60, 5, 1440),
            filters=FILTERS,
        )
    )
    register(
        Watch(
            name="request.stuck",
            label="A request is stuck",
            explained="Each request in an open status that nobody has written for too long.",
            kind="request",
            read=stuck,
            still=still_stuck,
            over="It was written again, or finished.",
            threshold=Measure(
                "Minutes without an update", lambda: settings.REQUEST_STUCK_MINUTES, 1, MOST_DAYS * 1440
            ),
            filters=FILTERS,
        )
    )

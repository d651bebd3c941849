"""What alert rules can watch of requests: failures, their rate, and what is stuck."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse

from opsportal.alerts import rates
from opsportal.alerts.watches import MOST_FACTS, Fact, Measure, Question, Reading, Watch, register
from opsportal.console.tones import FAILED, SUCCESS, tone_of
from opsportal.dynamo.lists import Known
from opsportal.dynamo.merge import Span
from requests_app import queries
from requests_app.models import IntelligenceRequest

# Days: what is older is past an operator's care, and is not looked for.
MOST_DAYS = 30
PART = "This table has no index on status and created_at: of its items only those read so far are looked at."


def _tone(request: IntelligenceRequest) -> str:
    return tone_of(str(request.status or "").strip())


@dataclass(frozen=True)
class _Found:
    """Requests of some statuses, the newest first; `known`: as they were read."""

    requests: list[IntelligenceRequest]
    known: Known

    def reading(self, facts: Iterable[Fact | None]) -> Reading:
        known = self.known
        kept = tuple(fact for fact in facts if fact)
        return Reading(kept, known.certain and not known.more, note=PART if known.part else known.note)


def _read(question: Question, tones: Sequence[str], span: Span) -> _Found:
    """At most `MOST_FACTS`; `tones`: of the statuses, () for all that are open. By the index of the user or
    of the project where the rule names one. Raises `DynamoError`."""

    def wanted(status: str) -> bool:
        return tone_of(status) in tones if tones else queries.is_open(status)

    filters = question.filters
    asked = queries.RequestFilter(
        user=filters.get("user", ""),
        project=filters.get("project", ""),
        strategy=filters.get("strategy", ""),
        request_type=filters.get("request_type", ""),
        span=span,
    )
    listed, _ = queries.listing(asked, wanted)
    known = replace(listed, limit=MOST_FACTS).known(purpose="alerts")
    requests = [IntelligenceRequest.of(raw) for raw in known.items]
    return _Found([one for one in requests if wanted(str(one.status or ""))], known)


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
    found = _read(question, (FAILED,), Span(_text(question.since)))
    return found.reading(_failure(one) for one in found.requests)


def still_failed(question: Question, key: str) -> Fact | None:
    request = queries.request(key)
    if request is None:
        return None
    moment = queries.SAMPLED.moment(request.raw)
    if moment and moment < question.since:
        return None
    return _failure(request) if _fits(request, question) else None


# --- The rate of failures --------------------------------------------------------------------------------


def failure_rate(question: Question) -> Reading:
    """Of the requests created in the window (the newest of them, where they are many), how many failed."""
    since = max(question.since, question.baseline)
    found = _read(question, (FAILED, SUCCESS), Span(_text(since)))
    if found.known.part:
        return Reading(unknown=True, note=PART)
    ended = [
        (_tone(one) == FAILED, one.created_at if isinstance(one.created_at, datetime) else None)
        for one in found.requests
    ]
    path = f"{reverse('requests:list')}?status=failed&range=24h"
    return rates.reading(question, ended, not found.known.more, "Requests", path)


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
    found = _read(question, (), span)
    return found.reading(_stuck(one, question) for one in found.requests)


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

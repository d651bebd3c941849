"""What is wrong or contradictory with a request, in sentences."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from opsportal.console.findings import (
    CLOCK_SKEW,
    Finding,
    ahead,
    ahead_until,
    malformed,
    marked,
    out_of_order,
    spoken_minutes,
    spoken_until,
)
from opsportal.console.numbers import plain
from opsportal.console.text import first_line
from opsportal.console.tones import ATTENTION, FAILED
from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.partitions import Count
from requests_app.models import IntelligenceRequest
from requests_app.statuses import VOCABULARY, lower


def mark(status: str, name: str) -> str:
    """How the line of status history begins that setting a status by hand adds (`actions`)."""
    return f"Marked {status} by {name}"


def minutes_still(request: IntelligenceRequest, now: datetime) -> int:
    """Whole minutes since its newest stamp; 0 where it has none."""
    touched = request.touched_at
    return int((now - touched).total_seconds() // 60) if touched else 0


def is_stuck(request: IntelligenceRequest, now: datetime) -> bool:
    """Whether it should move on and has not for longer than is normal."""
    # Most of a list are at their end, and their stamps are not compared: a tenth of a row.
    return request.is_open and VOCABULARY.is_stuck(request.status, request.touched_at, now)


def stuck(request: IntelligenceRequest, now: datetime) -> Finding | None:
    """For how long it has not moved; None where it is not stuck."""
    if not is_stuck(request, now):
        return None
    who = "No worker has taken it for" if lower(request.status) == "pending" else "No update for"
    return Finding("stuck", ATTENTION, f"{who} {spoken_minutes(minutes_still(request, now))}.")


def stuck_at(request: IntelligenceRequest, now: datetime) -> datetime | None:
    """When `stuck` says something else, though nobody wrote the item; None where it does not."""
    if not (request.is_open and request.touched_at):
        return None
    limit = min(request.touched_at, now) + timedelta(minutes=settings.REQUEST_STUCK_MINUTES)
    return limit if limit > now else spoken_until(request.touched_at, now)


def changes_at(request: IntelligenceRequest, now: datetime) -> list[datetime]:
    """The times ahead at which its findings say something else, though nobody wrote it."""
    still = stuck_at(request, now)
    return [*ahead_until(_stamps(request).items(), now), *([still] if still else [])]


STAMPS = ("created_at", "updated_at", "started_at", "completed_at")


def _stamps(request: IntelligenceRequest) -> dict[str, object]:
    """The recorded times, by name."""
    values = request.attribute_values
    return {name: values.get(name) for name in STAMPS}


def _marked(request: IntelligenceRequest) -> list[Finding]:
    """By whom and when its status was set by hand; [] where a worker has set it."""
    if not (history := request.status_history):
        return []
    message, at = history[-1].message, history[-1].at
    if not isinstance(message, str) or not message.startswith(mark(lower(request.status), "")):
        return []
    return [marked(first_line(message, 240), at)]


def _times(request: IntelligenceRequest, now: datetime) -> list[Finding]:
    """What is impossible about them. One that runs again may still have the end of its last run."""
    times = _stamps(request)
    orders = [("updated_at", "created_at", CLOCK_SKEW)]
    if not request.is_open:
        # Of one worker, so of one clock.
        orders.append(("completed_at", "started_at", timedelta(0)))
    pairs = ((name, times[name], before, times[before], most) for name, before, most in orders)
    return [*out_of_order(pairs), *ahead(times.items(), now)]


NONE_TAKEN = Count(0)


def findings(
    request: IntelligenceRequest, now: datetime | None = None, overtakers: Count = NONE_TAKEN
) -> list[Finding]:
    """Every finding of a whole item. `overtakers`: the requests that were taken though they came after it."""
    now = now or datetime.now(UTC)
    found = [*_still(request, now), *_times(request, now)]
    if overtakers.number:
        found.append(Finding("overtaken", ATTENTION, overtaken(overtakers)))
    found += _marked(request)
    if lower(request.status) == "completed" and request.results is None:
        found.append(Finding("no_results", ATTENTION, "Completed, but it has no results."))
    return [*found, *_no_error(request), *_oddities(request)]


def overtaken(overtakers: Count) -> str:
    """That so many newer ones were taken, in sentences."""
    many = f"{'At least ' if overtakers.more else ''}{overtakers.number} newer"
    these = "request was" if overtakers.number == 1 and not overtakers.more else "requests were"
    return f"No worker has taken it. {many} {these} taken since: a worker may not be able to read it."


def findings_of_row(request: IntelligenceRequest, now: datetime) -> list[Finding]:
    """Those that show in what a list reads of a request: of its errors the first alone."""
    found = [*_still(request, now), *_times(request, now)]
    if not request.raw.get("errors", {}).get("L"):
        found += _no_error(request)
    return [*found, *_oddities(request)]


def needs_attention(item: Raw, now: datetime) -> bool:
    """Whether it has an error or a finding, so that the column of that name says something."""
    request = IntelligenceRequest.from_item(item)
    return request.first_error is not None or bool(findings_of_row(request, now))


def _still(request: IntelligenceRequest, now: datetime) -> list[Finding]:
    still = stuck(request, now)
    return [still] if still else []


def _no_error(request: IntelligenceRequest) -> list[Finding]:
    if lower(request.status) != "failed" or request.error_messages:
        return []
    return [Finding("no_error", ATTENTION, "Failed, but no error was recorded.")]


def _oddities(request: IntelligenceRequest) -> list[Finding]:
    found = []
    percentage = request.progress.percentage
    if isinstance(percentage, Decimal) and not 0 <= percentage <= 100:
        found.append(
            Finding(
                "percentage",
                ATTENTION,
                f"The progress says {plain(percentage)} %, which is not between 0 and 100 %.",
            )
        )
    if request.status is None:
        found.append(Finding("no_status", FAILED, "The item has no status, so it is in no list by status."))
    if request.raw.get("created_at", {}).get("S") is None:
        found.append(
            Finding(
                "no_created_at", ATTENTION, "The item has no created_at text, so it is in no list by time."
            )
        )
    if unreadable := request.unreadable:
        found.append(malformed(unreadable))
    return found

"""What is wrong or contradictory with a request, in sentences."""

from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings

from opsportal.console.findings import Finding, spoken_minutes
from opsportal.console.text import excerpt
from opsportal.console.tones import ATTENTION, FAILED
from opsportal.dynamo.partitions import Count
from requests_app.models import IntelligenceRequest

NOBODY = Count(0)


def findings(
    request: IntelligenceRequest, now: datetime | None = None, overtakers: Count = NOBODY
) -> list[Finding]:
    """Every finding of a whole item. `overtakers`: the requests that were taken though they came after it."""
    now = now or datetime.now(UTC)
    found = []
    status = str(request.status or "").lower()
    touched = request.touched_at
    minutes = int((now - touched).total_seconds() // 60) if touched else 0
    if not request.is_terminal and minutes >= settings.REQUEST_STUCK_MINUTES:
        who = "No worker has taken it for" if status == "pending" else "No update for"
        found.append(Finding("stuck", ATTENTION, f"{who} {spoken_minutes(minutes)}."))
    if overtakers.number:
        many = f"{'At least ' if overtakers.more else ''}{overtakers.number} newer"
        these = "request was" if overtakers.number == 1 and not overtakers.more else "requests were"
        sentence = f"No worker has taken it. {many} {these} taken since: a worker may not be able to read it."
        found.append(Finding("overtaken", ATTENTION, sentence))
    if status == "completed" and request.results is None:
        found.append(Finding("no_results", ATTENTION, "Completed, but it holds no results."))
    if status == "failed" and not request.messages["errors"]:
        found.append(Finding("no_error", ATTENTION, "Failed, but no error was recorded."))
    percentage = request.progress.percentage
    if isinstance(percentage, Decimal) and not 0 <= percentage <= 100:
        found.append(
            Finding(
                "percentage", ATTENTION, f"The progress says {percentage.normalize():f} %, which can't be."
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
        listed = ", ".join(excerpt(name, 60) for name in unreadable)
        found.append(Finding("malformed", ATTENTION, f"Could not be read as documented: {listed}."))
    return found

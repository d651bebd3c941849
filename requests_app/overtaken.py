"""How many requests workers took that came after one which still waits: a worker may not be able to read it."""

from dataclasses import dataclass
from datetime import datetime

from opsportal.dynamo.attributes import Typed, read_text, read_time
from opsportal.dynamo.dialects import NEWEST, newest_by_index, newest_of_page
from opsportal.dynamo.errors import DynamoError, IndexMissing
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.partitions import Count
from opsportal.dynamo.shared import shared
from requests_app import queries
from requests_app.models import IntelligenceRequest
from requests_app.tables import REQUESTS

# Seconds that the newest taken requests are known.
FRESH = 60
_TAKEN = frozenset({"processing", "executing", "completed", "failed"})


@dataclass(frozen=True)
class Taken:
    """Requests that a worker took: when each was created, and its strategy. `since`: from then on all are known that
    were created; None for all of the table."""

    requests: tuple[tuple[datetime, str], ...] = ()
    since: datetime | None = None


def overtakers(request: IntelligenceRequest) -> Count:
    """Of the same strategy, created after this one, and taken: as far as the newest 20 go, which are read
    once a minute for the whole deployment."""
    created = request.created_at
    if str(request.status or "").strip().lower() != "pending" or not isinstance(created, datetime):
        return Count(0)
    try:
        taken = shared(f"taken:{queries.table().fingerprint}", lambda _: newest_taken(), fresh=FRESH).value
    except DynamoError:
        return Count(0)  # the page has enough to show
    strategy = str(request.processing_strategy or "")
    number = sum(at > created and one == strategy for at, one in taken.requests)
    return Count(number, more=bool(number and taken.since and created < taken.since))


def newest_taken() -> Taken:
    """The newest 20, by the index, else of one page of a Scan; of at most 1 MB. Raises `DynamoError`."""
    table = queries.table()
    try:
        others = [status for status in queries.statuses().values if status.strip().lower() != "pending"]
        found = newest_by_index(table, REQUESTS.index("status-index"), others, _taken)
    except IndexMissing:
        found = newest_of_page(table, ("created_at",), _taken)
    pairs = [(_created(raw), str(read_text(raw.get("processing_strategy")) or "")) for raw in found]
    times = [at for at, _ in pairs if at]
    return Taken(
        tuple((at, strategy) for at, strategy in pairs if at),
        min(times) if times and len(found) == NEWEST else None,
    )


def _created(raw: dict[str, Typed]) -> datetime | None:
    at = read_time(raw.get("created_at"))
    return at if isinstance(at, datetime) else None


def _taken(raw: Raw) -> bool:
    status = str(read_text(raw.get("status")) or "").strip().lower()
    return status in _TAKEN or isinstance(read_time(raw.get("started_at")), datetime)

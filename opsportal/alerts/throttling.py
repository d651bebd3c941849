"""Tables that are throttled: what CloudWatch counts, and where it can't be asked what this worker met itself.

CloudWatch counts by the hour here (`opsportal.tables.metrics`, which shares its answers for five minutes), so an
hour that began before the rule was made does not fire. This worker's own calls are the poorer witness: it sees
only its own, since it began, and another worker's are that one's.
"""

import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from opsportal.alerts.watches import Fact, Measure, Question, Reading, Watch
from opsportal.dynamo.calls import Call
from opsportal.dynamo.tables import Binding, bindings
from opsportal.tables import metrics

# Calls of this process that were throttled: (when, table's name, attempts).
MAX_SIGHTINGS = 10_000
_sightings: "deque[tuple[datetime, str, int]]" = deque(maxlen=MAX_SIGHTINGS)
_lock = threading.Lock()
LATELY = timedelta(minutes=1)


def saw(call: Call) -> None:
    """Note a throttled call; watches every call of the process."""
    if call.service != "dynamodb" or not (call.throttled or call.outcome == "throttled"):
        return
    now = timezone.now()
    with _lock:
        _sightings.extend((now, name, max(call.throttled, 1)) for name in call.tables)


def sightings(name: str, since: datetime) -> list[tuple[datetime, int]]:
    with _lock:
        return [(at, number) for at, table, number in _sightings if table == name and at >= since]


def lately(table: Binding) -> str:
    """The table's name where this process met throttling of it within the last minute, else ""."""
    return table.name if sightings(table.name, timezone.now() - LATELY) else ""


def throttled(question: Question) -> Reading:
    """Tables with at least so many throttled requests in the window."""
    wanted = question.filters.get("table", "").strip()
    tables = [table for table in bindings() if not wanted or wanted in (table.logical, table.name)]
    asked = _metrics(tables, question)
    facts, notes = [], []
    for table in tables:
        series, why = asked[table.logical]
        if series is None:
            notes.append(f"CloudWatch: {why}")
            number, since = _seen_here(table, question)
        else:
            recent = [(at, value) for at, value in series if at >= question.baseline and value]
            number = int(sum(value for _, value in recent))
            since = recent[0][0] if recent else question.now
        if number and number >= question.threshold:
            figures = {
                "throttled": number,
                "window_minutes": question.window.total_seconds() / 60,
                "counted_by": "this worker" if series is None else "CloudWatch",
            }
            facts.append(Fact(table.logical, f"{table.name} was throttled", since, figures, "/"))
    note = " ".join(dict.fromkeys(note for note in notes if note))
    return Reading(tuple(facts), note=f"{note} {OWN_CALLS}" if note else "")


OWN_CALLS = "Only throttling that this worker met itself is counted."


def _seen_here(table: Binding, question: Question) -> tuple[int, datetime]:
    seen = sightings(table.name, max(question.since, question.baseline))
    return sum(number for _, number in seen), min((at for at, _ in seen), default=question.now)


Points = list[tuple[datetime, float]]


def _metrics(tables: Iterable[Binding], question: Question) -> dict[str, tuple[Points | None, str]]:
    """Of each table the throttled requests by the hour within the window, or None and why not."""
    hours = max(2, -(-int(question.window.total_seconds()) // 3600) + 1)
    first = question.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    found: dict[str, tuple[Points | None, str]] = {}
    for logical, answer in metrics.table_metrics(tables, hours).items():
        if not isinstance(answer, metrics.TableMetrics):
            found[logical] = (None, answer.why)
            continue
        sums: dict[datetime, float] = {}
        for at, value in (*answer.read_throttles, *answer.write_throttles):
            if at >= first:
                sums[at] = sums.get(at, 0.0) + value
        found[logical] = (sorted(sums.items()), "")
    return found


WATCH = Watch(
    name="table.throttled",
    label="A table is throttled",
    explained="DynamoDB throttled requests to a table.",
    kind="table",
    read=throttled,
    over="It was no longer throttled in the window.",
    threshold=Measure("Throttled requests", lambda: 1, 1, 1_000_000),
    window=Measure("Within (minutes)", lambda: 60, 5, 1440, "CloudWatch counts whole hours."),
    filters={"table": "Table"},
)

"""What the browser tests put on the shelves: a few items of every kind, the malformed ones among them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from opsportal.demo import agents, requests
from opsportal.demo.hostile import malformed, oddities, samples
from opsportal.demo.place import attribute_values
from opsportal.dynamo.tables import Binding
from tests import factories

RUNNING, DONE, FAILED = "req_running", "req_done", "req_failed"
WORKFLOWS = (
    "demo-failed-tradeMatching-0", "demo-stuck-47-minutes", "demo-step-failed-but-processing", "demo-expired",
    "demo-no-step-recorded", "demo-steps-without-start", "demo-unlisted-steps", "demo-status-info",
    "demo-parallel-steps",
)  # fmt: skip
PEOPLE, PROJECTS = ("anna", "j.okafor", "chen-wei"), ("oncology-watch", "rare-disease")


def every_kind(tables: dict[str, Binding]) -> None:
    """The demo's items (without its logs), and the log of a request that runs."""
    now = datetime.now(UTC)
    key = {name: table.key for name, table in tables.items()}
    # A few of each: axe takes its time for every row.
    built = oddities.workflows(key["workflows"], settings.WORKFLOW_STEPS, now)
    made = {
        "workflows": [
            *(workflow for workflow in built if workflow[key["workflows"]] in WORKFLOWS),
            *malformed.workflows(key["workflows"], now),
        ],
        "requests": [
            samples.request(key["requests"]),
            *(made.item for made in requests.build(key["requests"], now)[-6:-1]),
            *malformed.requests(key["requests"], now),
        ],
        "request_logs": malformed.request_logs(key["request_logs"], RUNNING, now),
        "agents": [
            *agents.build(key["agents"], now),
            *oddities.agents(key["agents"], now),
            *malformed.agents(key["agents"], now),
        ],
    }
    for name, items in made.items():
        # Hard to look at are the longest of the hard keys and markup; all of them are in tests/console.
        kept = (item for item in items if item[key[name]] not in malformed.HARD_KEYS[:-2])
        factories.put(tables[name], *(attribute_values(item) for item in kept))
    factories.put(tables["requests"], factories.request(RUNNING))
    log(tables, RUNNING, 40)


def log(tables: dict[str, Binding], request_id: str, lines: int, **values: Any) -> None:
    """So many lines, one a second up to five minutes ago; each tenth is an error, each fifth a warning."""
    values = {"metadata": factories.MISSING, **values}
    start = factories.ago(minutes=5, seconds=lines)
    factories.put(
        tables["request_logs"],
        *(
            factories.log(
                request_id,
                start + timedelta(seconds=number),
                message=f"line {number} of the log",
                log_level="ERROR" if number % 10 == 0 else "warn" if number % 5 == 0 else "INFO",
                **values,
            )
            for number in range(lines)
        ),
    )


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def many_requests(tables: dict[str, Binding], number: int = 60) -> datetime:
    """Requests of three people in two projects, newest first: req_000, req_001, ...

    Each is a minute older than the one before, at half a minute. Returns the moment that req_000 is one
    minute older than.
    """
    statuses, priorities = ("completed", "failed", "processing", "FAILED"), ("high", "medium", "low")
    base = datetime.now(UTC).replace(second=30, microsecond=0)
    factories.put(
        tables["requests"],
        *(
            factories.request(
                f"req_{at:03}",
                status=statuses[at % 4],
                priority=priorities[at % 3],
                user_id=PEOPLE[at % 3],
                project_id=PROJECTS[at % 2],
                processing_strategy="sqs" if at % 5 == 0 else "table",
                created_at=factories.naive(base - minutes(at + 1)),
                completed_at=None if at % 4 == 2 else factories.naive(base - minutes(at)),
                errors=["2026-01-09T15:43:12.000000: The source refused"] if at % 4 == 1 else [],
            )
            for at in range(number)
        ),
    )
    return base

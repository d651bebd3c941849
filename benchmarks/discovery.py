"""How long the console takes to discover agents, beside the least that a request can take.

    python benchmarks/discovery.py            1,000 agents, 300 requests of each kind
    python benchmarks/discovery.py --agents 50 --requests 10

Everything in one run and one process, on this machine alone: an engine in memory, the console with its middleware and
a token, and as the floor an operation that is let in and finds nothing. Between runs the ratio is what can be
compared; milliseconds are of this machine. It stops by itself after `LIMIT_SECONDS` at the latest.

Seed 004 of docs/data.md asks for less than 50 ms. Ends with 1 where discovery takes longer at the median, but for the last row: that is
for a process that was not asked for a minute, or that missed over a hundred changes, and mostly the engine's.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment

from opsportal.accounts import tokens
from opsportal.accounts.roles import create_user
from opsportal.dynamo import clients
from opsportal.operations.entries import Actor, new_action_id
from registry import registration, versions
from registry.registration import Announcement
from tests.engines import fresh_tables, running
from tests.loopback import refuse_other_machines

AGENTS, REQUESTS, MAX_MS = 1_000, 300, 50.0
LIMIT_SECONDS = 300

# What was asked for, its median in milliseconds, and the bytes of its answer.
Row = tuple[str, float, int]


def item(number: int) -> dict[str, object]:
    basic = {"slots": 10, "slotsFilled": number % 11, "responseSLA": 900, "uptime": 99.5}
    return {
        "agentId": {"S": f"agent-{number:04}"},
        "name": {"S": f"Agent {number}"},
        "endpoint": {"S": f"https://agent-{number}.example.com/a2a"},
        "capabilities": {"SS": [f"capability_{number % 20}", "benchmark_analysis"]},
        "status": {"S": "active" if number % 5 else "inactive"},
        "reputationScore": {"N": str(number % 101)},
        "lastHeartbeat": {"N": str(int(time.time() * 1000))},
        "pricing": {"S": '{"baseFee": "0.01"}'},
        "serviceAvailability": {"S": json.dumps({"basic": basic})},
        "description": {"S": "Says what it does in a sentence or two. " * 5},
    }


def register() -> None:
    profile = {"endpoint": f"https://{time.time_ns()}.example.com", "capabilities": "capability_7"}
    registration.register(
        Announcement("agent-0007", profile),
        by=Actor("bench", "operator", "command"),
        reason="",
        action_id=new_action_id(),
    )


def many() -> None:
    for number in range(versions.MAX_CHANGES):
        versions.written(f"agent-{number:04}")


def median_ms(run: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def report(agents: int, rows: Sequence[Row]) -> tuple[list[str], int]:
    """The rows as lines, with the verdict on seed 004's figure, and the exit status. The first row is the floor, the
    last one is not part of the verdict."""
    floor = rows[0][1]
    lines = [f"{agents:,} agents"]
    for label, taken, size in rows:
        lines.append(f"{label:33} {taken:8.2f} ms {taken / floor:7.1f} x floor {size:10,} bytes")
    judged = rows[1:-1]
    slow = [label for label, taken, _ in judged if taken >= MAX_MS]
    span = f"{min(taken for _, taken, _ in judged):.1f} to {max(taken for _, taken, _ in judged):.1f} ms"
    verdict = f"not met by: {', '.join(slow)}" if slow else "met"
    lines.append(f"Seed 004 asks for less than {MAX_MS:.0f} ms: {span} at the median, {verdict}.")
    return lines, int(bool(slow))


def _too_long(number: int, frame: object) -> None:
    raise SystemExit(f"Given up after {LIMIT_SECONDS} s.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How long the console takes to discover agents.")
    parser.add_argument("--agents", type=int, default=AGENTS, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind; default: %(default)s")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    refuse_other_machines()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_SECONDS)
    setup_test_environment()
    # The cache that is shared is in the database, as in production, and counts each request.
    shared: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "opsportal_cache",
    }
    settings.CACHES["default"] = shared
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    settings.API_RATE_LIMIT = 1_000_000
    settings.AGENTS_CACHE_SECONDS = 60
    person = create_user("bench", "operator", "only for this run")
    _, text = tokens.make("bench", ["agents:read", "audit:read"], made_by=person, days=1, owner=person)
    client, headers = Client(), {"Authorization": f"Bearer {text}"}

    def get(path: str, encoding: str = "identity") -> int:
        return len(client.get(path, headers={**headers, "Accept-Encoding": encoding}).content)

    with running("dynoxide") as engine, fresh_tables(engine, settings) as tables:
        table = tables["agents"]
        dynamo = clients.client(*table.location, background=True)
        for first in range(0, given.agents, 25):
            numbers = range(first, min(first + 25, given.agents))
            puts = [{"PutRequest": {"Item": item(number)}} for number in numbers]
            dynamo.batch_write_item(RequestItems={table.name: puts})
        get("/api/agents")
        floor = median_ms(lambda: get("/api/audit/nothing"), given.requests)
        narrow = "/api/agents?capability=capability_7&minReputation=50"
        rows: list[Row] = [
            ("floor: let in, nothing found", floor, get("/api/audit/nothing")),
            ("by capability and reputation", median_ms(lambda: get(narrow), given.requests), get(narrow)),
            ("all agents", median_ms(lambda: get("/api/agents"), given.requests), get("/api/agents")),
            (
                "all agents, compressed",
                median_ms(lambda: get("/api/agents", "gzip"), min(50, given.requests)),
                get("/api/agents", "gzip"),
            ),
        ]

        def first_after(write: Callable[[], object]) -> float:
            taken = []
            for _ in range(min(20, given.requests)):
                write()
                taken.append(median_ms(lambda: get(narrow), 1))
            return statistics.median(taken)

        rows += [
            ("the first after a registration", first_after(register), get(narrow)),
            ("the first after 100 registrations", first_after(many), get(narrow)),
            ("one that reads the registry whole", first_after(versions.written), get(narrow)),
        ]
    lines, status = report(given.agents, rows)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    raise SystemExit(main())

"""Items that say one thing and its opposite, or too little, and those of other writers of the same schemas."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from opsportal.demo import trades
from opsportal.demo.agents import live, operational
from opsportal.demo.place import Item
from opsportal.demo.requests import entry
from opsportal.demo.stamps import milliseconds, zulu
from opsportal.demo.workflows import WorkflowBuilder

LONG_LOG = 2_000


def workflows(key: str, steps: Sequence[dict[str, str]], now: datetime) -> list[Item]:
    """Under ids that are the same on every run, at times relative to ``now``."""
    odd = Oddities(steps, now, random.Random(3))
    return [
        {key: session, **rest} for session, rest in (*odd.every_state(), *odd.contradictory(), *odd.foreign())
    ]


class Oddities(WorkflowBuilder):
    """Makes (id, workflow without its key)."""

    def every_state(self) -> Iterator[tuple[str, Item]]:
        """Some of every status, with each step running and failed."""
        count = len(self.steps)
        for number in range(6):
            created = self.ago(hours=0.4 + number * 10.7)
            yield f"demo-completed-{number:02d}", self.workflow("completed", created, count)
        for number in range(3):
            yield (
                f"demo-initializing-{number}",
                self.workflow("initializing", self.ago(seconds=20 + 40 * number)),
            )
            yield (
                f"demo-cancelled-{number}",
                self.workflow("cancelled", self.ago(days=2.3 * number + 0.2), number),
            )
        for number, step in enumerate(self.names):
            for turn in range(2):
                running = self.workflow(
                    "processing", self.ago(minutes=1 + number + turn), number, "in-progress"
                )
                yield f"demo-processing-{step}-{turn}", running
                failed = self.workflow("failed", self.ago(hours=2 + 17 * number + 60 * turn), number, "error")
                yield f"demo-failed-{step}-{turn}", failed

    def contradictory(self) -> Iterator[tuple[str, Item]]:
        """Items that say one thing and its opposite, or say too little."""
        middle, count = len(self.steps) // 2, len(self.steps)
        yield (
            "demo-stuck-47-minutes",
            self.workflow("processing", self.ago(minutes=47), middle, "in-progress"),
        )
        yield (
            "demo-step-failed-but-processing",
            self.workflow("processing", self.ago(minutes=9), middle, "error", trades.THROTTLING),
        )
        expired = self.workflow("completed", self.ago(days=9.5), count)
        yield "demo-expired", expired | {"expiresAt": int(self.ago(hours=5).timestamp())}
        zero = self.workflow("completed", self.ago(hours=3), count)
        zero["totalTokenUsage"] = dict.fromkeys(zero["totalTokenUsage"], 0)
        yield "demo-totals-zero", zero | {"totalDuration": 0}
        yield "demo-no-step-recorded", {"overallStatus": "completed", "lastUpdated": zulu(self.ago(hours=1))}
        waiting = self.workflow("completed", self.ago(hours=7), count - 1)
        yield "demo-completed-with-a-pending-step", waiting

    def foreign(self) -> Iterator[tuple[str, Item]]:
        """As other writers of the same schema leave them."""
        count = len(self.steps)
        replaced = self.workflow("completed", self.ago(hours=6), count)
        for name in self.names:
            replaced[name].pop("startedAt")
        yield "demo-steps-without-start", replaced

        unlisted = self.workflow("processing", self.ago(minutes=6), 1, "in-progress")
        unlisted |= {
            "invocationId": "inv-20251224-77",
            "project_request_id": "req_1757412789250_a08ac7ad",
            "sanctionsScreening": {
                "status": "success",
                "activity": "No hits on 4 lists",
                "lastUpdated": zulu(self.ago(minutes=5)),
                "duration": 3.25,
            },
            "reportWriter": {"status": "loading", "activity": "Rendering"},
        }
        yield "demo-unlisted-steps", unlisted

        stamps = self.workflow("completed", self.ago(hours=8), count)
        yield "demo-double-zone-stamps", _respelt(stamps, "Z", "+00:00Z")
        yield "demo-naive-stamps", _respelt(self.workflow("completed", self.ago(hours=9), count), "Z", "")
        seconds = self.workflow("processing", self.ago(minutes=4), 1, "in-progress")
        yield "demo-epoch-stamps", seconds | {"lastUpdated": int(self.ago(minutes=4).timestamp() * 1000)}

        for status in ("PENDING", "COMPLETED", "Failed", "loading", "warning", "info", "stopped"):
            ended = count if status == "COMPLETED" else 1
            yield (
                f"demo-status-{status}",
                self.workflow(status, self.ago(hours=self.rng.uniform(1, 90)), ended),
            )
        parallel = self.workflow("processing", self.ago(minutes=3), 1, "in-progress")
        parallel[self.names[-1]] = parallel[self.names[min(1, count - 1)]]
        yield "demo-parallel-steps", parallel


def _respelt(value: Any, zone: str, other: str) -> Any:
    """The same item with every stamp's zone written in another way."""
    if isinstance(value, dict):
        return {name: _respelt(member, zone, other) for name, member in value.items()}
    if isinstance(value, str) and value[:2] == "20" and value.endswith(zone):
        return value.removesuffix(zone) + other
    return value


def long_log(key: str, request: str, now: datetime) -> list[Item]:
    """A log that needs paging: a line each half second until `now`."""
    start = now - timedelta(seconds=LONG_LOG / 2)
    levels = ("INFO", "DEBUG", "INFO", "WARNING", "INFO", "ERROR")
    return [
        entry(
            key,
            f"log_{milliseconds(start)}_{number + 1:04d}",
            request,
            start + timedelta(seconds=number / 2),
            levels[number % 6],
            "content_extraction",
            f"Page {number + 1} of the batch read",
            "table_processor_001",
        )
        for number in range(LONG_LOG)
    ]


def agents(key: str, now: datetime) -> list[Item]:
    """Those whose declared and observed state disagree, and one that has stopped long ago."""
    silent = live(key, now)[0] | {
        key: "silent-agent",
        "name": "Silent",
        "lastHeartbeat": milliseconds(now - timedelta(days=2)),
    }
    old = silent | {
        key: "benchmark-agent",
        "name": "Old Benchmarks",
        "status": "inactive",
        "capabilities": {"benchmark_analysis"},
        "lastHeartbeat": milliseconds(now - timedelta(minutes=4_000)),
    }
    drained = operational(key, now - timedelta(hours=3), number=9) | {
        "deployment_status": "DRAINING",
        "error_rate": 0.34,
    }
    return [silent, old, drained]

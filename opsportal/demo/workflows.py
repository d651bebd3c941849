"""Demo workflows: every state, and every oddity that deployed writers are known to leave behind."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from opsportal.demo.place import Item
from opsportal.demo.stamps import zulu

ERRORS = (
    "ThrottlingException: Too many tokens, please wait before trying again.",
    "ValidationError: field 'notional' is missing in trade 3 of 7",
    "TimeoutError: the model did not answer within 120 s",
    "TextractError: page 4 could not be read (unsupported encoding)",
)
ACTIVITIES = {
    "pdfAdapter": ("Extracting text from the document", "Text extraction complete"),
    "tradeExtraction": ("Reading trades from the text", "7 trades extracted"),
    "tradeMatching": ("Comparing with the counterparty's trades", "6 of 7 trades matched"),
    "exceptionManagement": ("Routing what did not match", "1 exception routed to the desk"),
}
LIFE = timedelta(days=90)


def build(key: str, steps: Sequence[dict[str, str]], now: datetime) -> list[Item]:
    """About 60 workflows under ids that are the same on every run, at times relative to ``now``."""
    return [{key: session, **rest} for session, rest in WorkflowBuilder(steps, now, random.Random(3)).all()]


class WorkflowBuilder:
    """Makes workflows of the catalogue's ``steps`` (settings.WORKFLOW_STEPS), without their key."""

    def __init__(self, steps: Sequence[dict[str, str]], now: datetime, rng: random.Random) -> None:
        self.steps, self.now, self.rng = steps, now, rng
        self.names = [step["key"] for step in steps]

    def all(self) -> Iterator[tuple[str, Item]]:
        yield from self.documented()
        yield from self.ordinary()
        yield from self.contradictory()
        yield from self.foreign()

    def workflow(self, status: str, created: datetime, ended: int = 0, last: str = "") -> Item:
        """One as StatusWriter leaves it: ``ended`` steps successful, the next one ``in-progress``,
        ``error`` or not started, as ``last`` says."""
        item: Item = {
            "correlationId": f"corr_{self.rng.getrandbits(48):012x}",
            "documentId": f"{self.rng.choice(('FAB', 'GCS', 'ICE'))}_{self.rng.randrange(10**6):06d}.pdf",
            "sourceType": self.rng.choice(("BANK", "COUNTERPARTY")),
            "overallStatus": status,
            "createdAt": zulu(created),
            "expiresAt": int((created + LIFE).timestamp()),
        }
        clock, totals, duration = created, dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 0), 0
        for number, step in enumerate(self.steps):
            doing, done = ACTIVITIES.get(step["key"], ("Working", "Done"))
            if number > ended or (number == ended and not last):
                item[step["key"]] = {"status": "pending", "activity": step["waiting"]}
                continue
            state: Item = {"status": last, "activity": doing, "startedAt": zulu(clock)}
            if number < ended or last == "error":
                milliseconds = self.rng.randrange(1_500, 38_000)
                clock += timedelta(milliseconds=milliseconds)
                tokens = {
                    "inputTokens": self.rng.randrange(900, 15_000),
                    "outputTokens": self.rng.randrange(80, 3_000),
                }
                tokens["totalTokens"] = sum(tokens.values())
                totals = {name: totals[name] + count for name, count in tokens.items()}
                duration += milliseconds
                state |= {
                    "completedAt": zulu(clock),
                    "duration": milliseconds / 1000,
                    "tokenUsage": tokens,
                    **(
                        {"status": "success", "activity": done}
                        if number < ended
                        else {"error": self.rng.choice(ERRORS)}
                    ),
                }
            item[step["key"]] = state
        return item | {
            "totalTokenUsage": totals,
            "totalDuration": duration / 1000,
            "lastUpdated": zulu(clock),
        }

    def ago(self, **spans: float) -> datetime:
        return self.now - timedelta(**spans)

    def documented(self) -> Iterator[tuple[str, Item]]:
        """The test items of seeds 000 and 003, value for value."""
        yield (
            "test-session-123",
            {
                "correlationId": "test-corr-123",
                "overallStatus": "initializing",
                "createdAt": "2025-12-24T12:00:00Z",
                "expiresAt": 1735123200,
            },
        )
        yield (
            "session-test-123",
            {
                "correlationId": "test-corr-123",
                "overallStatus": "processing",
                "pdfAdapter": {
                    "status": "success",
                    "activity": "Text extraction complete",
                    "tokenUsage": {"inputTokens": 1500, "outputTokens": 500, "totalTokens": 2000},
                },
                "lastUpdated": "2025-12-24T10:00:00Z",
            },
        )

    def ordinary(self) -> Iterator[tuple[str, Item]]:
        count = len(self.steps)
        for number in range(22):
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
            self.workflow("processing", self.ago(minutes=9), middle, "error"),
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

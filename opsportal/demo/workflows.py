"""The demo's workflows: a week of documents, one batch of failures with one cause, and two that hang."""

import itertools
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from opsportal.demo import trades, traffic
from opsportal.demo.place import Item
from opsportal.demo.stamps import zulu
from opsportal.demo.trades import Work

# At the busiest; few enough that the overview reads all that completed in a day.
PER_HOUR = traffic.WORKFLOWS_PER_HOUR
FAILURE_RATE = traffic.FAILURE_RATE
LIFE = timedelta(days=90)
# Minutes ago: a model that was out of its quota for ten minutes.
THROTTLED_AT = (52, 49.6, 48.9, 46.1, 43.5, 41)
# Minutes ago at which each of the two wrote for the last time; of how many steps they had ended, `HANG_AFTER`.
HANGING_SINCE, HANG_AFTER = (47, 133), (2, 3)


def build(key: str, steps: Sequence[dict[str, str]], now: datetime, seed: int = 3) -> list[Item]:
    """The workflows of the week before `now`, the oldest first; the newest are still at work."""
    rng = random.Random(seed)
    builder = WorkflowBuilder(steps, now, rng)
    made = [*builder.week(), *builder.throttled(), *builder.hanging()]
    return [{key: trades.session_id(rng), **item} for item in made]


class WorkflowBuilder:
    """Makes workflows of the catalogue's ``steps`` (settings.WORKFLOW_STEPS), without their key."""

    def __init__(self, steps: Sequence[dict[str, str]], now: datetime, rng: random.Random) -> None:
        self.steps, self.now, self.rng = steps, now, rng
        self.names = [step["key"] for step in steps]

    def week(self) -> list[Item]:
        failures = itertools.cycle(self._failures())
        made = []
        for created in traffic.arrivals(self.now, PER_HOUR, self.rng):
            fails_at, failure = next(failures) if self.rng.random() < FAILURE_RATE else (None, None)
            works = trades.course(self.names, self.rng, fails_at=fails_at, failure=failure)
            made.append(self.at_work(created, works))
        return made

    def _failures(self) -> list[tuple[int, trades.Failure]]:
        """Each way in which each step fails, in an order by chance: what fails apart from one another does so in
        different ways."""
        ways = [(at, way) for at, name in enumerate(self.names) for way in trades.kind_of(name).failures]
        return self.rng.sample(ways, len(ways))

    def throttled(self) -> list[Item]:
        """The same failure, many times within minutes, at the second step."""
        return [
            self.workflow(
                "failed",
                self.ago(minutes=minutes, seconds=self.rng.uniform(0, 40)),
                min(1, len(self.names) - 1),
                "error",
                trades.THROTTLING,
            )
            for minutes in THROTTLED_AT
        ]

    def hanging(self) -> list[Item]:
        """In progress, without a write for long."""
        made = []
        for minutes, ended in zip(HANGING_SINCE, HANG_AFTER, strict=True):
            item = self.workflow(
                "processing",
                self.ago(minutes=minutes + 1, seconds=self.rng.uniform(0, 20)),
                min(ended, len(self.names) - 1),
                "in-progress",
            )
            made.append(item)
        return made

    def ago(self, **spans: float) -> datetime:
        return self.now - timedelta(**spans)

    def workflow(
        self,
        status: str,
        created: datetime,
        ended: int = 0,
        last: str = "",
        failure: trades.Failure | None = None,
    ) -> Item:
        """One as StatusWriter leaves it: ``ended`` steps successful, the next one ``in-progress``,
        ``error`` or not started, as ``last`` says."""
        fails_at = ended if last == "error" else None
        works = trades.course(self.names, self.rng, fails_at=fails_at, failure=failure)
        return self._item(status, created, works, ended, last)

    def at_work(self, created: datetime, works: Sequence[Work]) -> Item:
        """As it stands at `now`."""
        clock, ended = created + timedelta(seconds=1.5), 0
        for work in works:
            if clock + timedelta(seconds=work.seconds) > self.now:
                return self._item("processing", created, works, ended, "in-progress")
            clock += timedelta(seconds=work.seconds + work.pause)
            if work.error:
                return self._item("failed", created, works, ended, "error")
            ended += 1
        return self._item("completed", created, works, ended, "")

    def _item(self, status: str, created: datetime, works: Sequence[Work], ended: int, last: str) -> Item:
        facts = trades.facts(created, self.rng)
        item: Item = {
            "correlationId": facts["correlation_id"],
            "documentId": facts["document_id"],
            "sourceType": facts["source_type"],
            "overallStatus": status,
            "createdAt": zulu(created),
            "expiresAt": int((created + LIFE).timestamp()),
        }
        clock, touched = created + timedelta(seconds=1.5), created
        totals, milliseconds = dict.fromkeys(("inputTokens", "outputTokens", "totalTokens"), 0), 0
        for number, step in enumerate(self.steps):
            if number > ended or (number == ended and not last):
                item[step["key"]] = {"status": "pending", "activity": step["waiting"]}
                continue
            work = works[number]
            state: Item = {"status": last, "activity": work.doing, "startedAt": zulu(clock)}
            touched = clock
            if number < ended or last == "error":
                touched = clock + timedelta(seconds=work.seconds)
                tokens = work.tokens and work.tokens | {"totalTokens": sum(work.tokens.values())}
                for name, count in tokens.items():
                    totals[name] += count
                milliseconds += round(work.seconds * 1000)
                state |= {"completedAt": zulu(touched), "duration": work.seconds}
                if tokens:
                    state["tokenUsage"] = tokens
                if number < ended:
                    state |= {"status": "success", "activity": work.done}
                else:
                    state["error"] = work.error
                clock = touched + timedelta(seconds=work.pause)
            item[step["key"]] = state
        return item | {
            "totalTokenUsage": totals,
            "totalDuration": milliseconds / 1000,
            "lastUpdated": zulu(touched),
        }

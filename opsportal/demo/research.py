"""What request workers do to one request: the stages, what each finds and logs, how long it takes, what goes wrong."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from opsportal.demo.company import SOURCES

FILINGS, TRIALS = SOURCES["filings"], SOURCES["trials"]

# Stage -> the percentages between which it moves.
STAGES = {
    "initialization": (0, 5),
    "serp_discovery": (5, 25),
    "content_extraction": (25, 80),
    "aggregation": (80, 95),
    "completed": (95, 100),
}
FORBIDDEN = (
    f"Source {FILINGS['name']} answered HTTP 403 for {FILINGS['base_url']}/documents: access was denied"
)


@dataclass(frozen=True)
class Failure:
    """The stage that it ends in, its text, and how many seconds that took. `source`: the one that it names.
    `warnings`: what the log says before."""

    stage: str
    text: str
    seconds: tuple[float, float]
    source: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()


DENIED = Failure(
    "content_extraction",
    FORBIDDEN,
    (0.8, 2.4),
    FILINGS,
    (f"HTTP 403 from {FILINGS['base_url']}; trying again with a new session",),
)
FAILURES = (
    Failure(
        "serp_discovery",
        "The search quota of this hour is used up: HTTP 429 from https://search.example.net",
        (0.5, 1.8),
    ),
    Failure(
        "content_extraction",
        f"ReadTimeout: {TRIALS['base_url']} did not answer within 30 s (3 attempts)",
        (90.4, 93.0),
        TRIALS,
        (
            f"{TRIALS['base_url']} did not answer within 30 s; attempt 2 of 3",
            f"{TRIALS['base_url']} did not answer within 30 s; attempt 3 of 3",
        ),
    ),
    Failure(
        "aggregation", "JSONDecodeError: the answer of the model is not JSON: line 1, column 1", (0.3, 0.9)
    ),
    Failure(
        "aggregation",
        "Aggregation refused: average confidence {confidence:.2f} is below the threshold {threshold:.2f}",
        (5.0, 9.0),
    ),
)


@dataclass(frozen=True)
class Progress:
    """Where a request stands."""

    stage: str = "initialization"
    percentage: float = 0
    found: int = 0
    extracted: int = 0
    failed: int = 0

    @property
    def counts(self) -> dict[str, Any]:
        """By the names of an item's ``progress``."""
        return {
            "urls_found": self.found,
            "content_extracted": self.extracted,
            "processing_errors": self.failed,
        }

    @classmethod
    def from_item(cls, progress: Mapping[str, Any]) -> "Progress":
        """From an item's ``progress``; what can't be read is as at the start."""
        stage = progress.get("current_stage")
        if stage not in STAGES:
            return cls()
        numbers = [progress.get(name) for name in ("percentage", *cls().counts)]
        percentage, *counts = (
            number if isinstance(number, int | float | Decimal) else 0 for number in numbers
        )
        return cls(stage, float(percentage), *map(int, counts))


@dataclass(frozen=True)
class Tick:
    """What comes after so many seconds: where the request stands, and a line of its log. `error`: it fails."""

    seconds: float
    at: Progress
    level: str
    message: str
    error: bool = False


def course(
    config: Mapping[str, Any],
    rng: random.Random,
    failure: Failure | None = None,
    reached: Progress | None = None,
) -> list[Tick]:
    """From the claim, or from what was `reached`, to the report or to the failure. After the last one the request
    is completed or failed."""
    return _Course(config, rng, failure, reached or Progress()).ticks()


class _Course:
    def __init__(
        self, config: Mapping[str, Any], rng: random.Random, failure: Failure | None, reached: Progress
    ) -> None:
        self.rng, self.failure, self.reached = rng, failure, reached
        keywords, sources = config.get("keywords"), config.get("sources")
        self.keywords = keywords if isinstance(keywords, list) and keywords else ["the keywords"]
        named = (
            [one.get("name") for one in sources if isinstance(one, dict)] if isinstance(sources, list) else []
        )
        self.sources = [str(name) for name in named if name] or ["the source"]
        threshold = config.get("quality_threshold")
        self.threshold = float(threshold) if isinstance(threshold, int | float | Decimal) else 0.7
        self.at = reached

    def ticks(self) -> list[Tick]:
        made: list[Tick] = []
        for stage, step in (
            ("initialization", self._initialization),
            ("serp_discovery", self._discovery),
            ("content_extraction", self._extraction),
            ("aggregation", self._aggregation),
        ):
            low, high = STAGES[stage]
            if high <= self.reached.percentage:
                continue
            failure = self.failure if self.failure and self.failure.stage == stage else None
            lines = list(step())
            # What fails does so before its last line.
            kept = lines[: self.rng.randint(1, max(len(lines) - 1, 1))] if failure else lines
            for number, line in enumerate(kept, 1):
                percentage = round(low + (high - low) * number / len(lines), 1)
                if percentage > self.reached.percentage:
                    made.append(replace(line, at=replace(line.at, stage=stage, percentage=percentage)))
            if failure:
                return [*made, *self._failing(failure, made[-1].at if made else self.at)]
        return made

    def _line(self, low: float, high: float, level: str, message: str) -> Tick:
        return Tick(round(self.rng.uniform(low, high), 3), self.at, level, message)

    def _initialization(self) -> Iterator[Tick]:
        keywords, sources = _many(len(self.keywords), "keyword"), _many(len(self.sources), "source")
        yield self._line(0.6, 2.0, "DEBUG", f"Configuration checked: {keywords}, {sources}")

    def _discovery(self) -> Iterator[Tick]:
        found = 0
        for source in self.sources:
            some = self.rng.randint(4, 14)
            found += some
            self.at = replace(self.at, found=max(found, self.reached.found))
            yield self._line(
                3.0, 8.5, "INFO", f"{source}: {some} URLs found for {self.rng.choice(self.keywords)!r}"
            )
        doubled = self.rng.randint(1, max(self.at.found // 6, 1))
        self.at = replace(self.at, found=self.at.found - doubled)
        yield self._line(
            0.4, 1.2, "DEBUG", f"{_many(doubled, 'duplicate')} removed; {self.at.found} URLs stay"
        )

    def _extraction(self) -> Iterator[Tick]:
        batches = self.rng.randint(3, 6)
        for number in range(1, batches + 1):
            due = self.at.found * number // batches
            if self.rng.random() < 0.14 and due > self.at.extracted + self.at.failed:
                self.at = replace(self.at, failed=self.at.failed + 1)
                source = self.rng.choice(self.sources)
                yield self._line(1.0, 4.0, "WARNING", f"A page of {source} could not be read; skipped")
            self.at = replace(self.at, extracted=max(self.at.extracted, due - self.at.failed))
            extracted, found = self.at.extracted, self.at.found
            yield self._line(4.0, 13.0, "INFO", f"{extracted} of {found} documents extracted")

    def _aggregation(self) -> Iterator[Tick]:
        merged = self.rng.randint(4, 11)
        yield self._line(4.0, 11.0, "INFO", f"{self.at.extracted} documents merged into {merged} findings")
        confidence = self.rng.uniform(0.71, 0.96)
        yield self._line(0.8, 2.5, "DEBUG", f"Confidence computed: {confidence:.2f} on average")

    def _failing(self, failure: Failure, at: Progress) -> list[Tick]:
        low, high = STAGES[failure.stage]
        at = replace(at, stage=failure.stage, percentage=min(max(at.percentage, low), high))
        highest = min(self.threshold, 0.95) - 0.04
        text = failure.text.format(
            confidence=self.rng.uniform(max(highest - 0.3, 0), max(highest, 0)), threshold=self.threshold
        )
        pause = round(self.rng.uniform(*failure.seconds) / (len(failure.warnings) + 1), 3)
        return [
            *(Tick(pause, at, "WARNING", warning) for warning in failure.warnings),
            Tick(pause, replace(at, failed=at.failed + 1), "ERROR", text, error=True),
        ]


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"

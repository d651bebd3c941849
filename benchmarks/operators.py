"""Fifty operators who look at lists and at the overview, each every five seconds, while the simulator writes."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Figure, percentile
from benchmarks.plan import Bench, Figures, Site
from benchmarks.reader import Reader, Region, regions

EVERY = 5.0
PAGES = ("/requests/", "/workflows/", "/")
QUIET_SECONDS = 15.0


@dataclass
class Seen:
    """What all of them saw: seconds of each poll, and the answers by status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seconds: float, status: int) -> None:
        with self.lock:
            self.seconds.append(seconds)
            self.statuses[status] += 1

    @property
    def errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status not in (200, 204))


class Operator:
    """Opens a page, and reads its regions again as the page's own script would: with what was last seen."""

    def __init__(self, site: Site, number: int, seen: Seen) -> None:
        self.reader = Reader(site.console.base, {"Cookie": site.cookies[number % len(site.cookies)]})
        self.path, self.seen = PAGES[number % len(PAGES)], seen

    def run(self, begin: float, until: float) -> None:
        due, shown = begin, list[Region]()
        try:
            while due < until:
                _sleep(due)
                shown = self.turn(shown)
                due = max(due + EVERY, time.monotonic())
        except Exception:
            self.seen.note(0.0, 0)  # who looks no more is an error, and not one operator fewer
            raise

    def turn(self, shown: Sequence[Region]) -> list[Region]:
        """The next poll of each region; who sees none, since the page was an error, opens it again."""
        return [self.poll(region) for region in shown] if shown else self.open()

    def open(self) -> list[Region]:
        found = regions(self.timed(self.path, {}))
        read = [self.poll(region) if region.loads else region for region in found]
        return [region for region in read if region.repeats]

    def poll(self, region: Region) -> Region:
        """The region as its next poll has it."""
        fresh = regions(self.timed(region.url, region.poll))
        return next((one for one in fresh if one.id == region.id), region)

    def timed(self, path: str, headers: dict[str, str]) -> str:
        began = time.perf_counter()
        answer = self.reader.get(path, headers)
        self.seen.note(time.perf_counter() - began, answer.status)
        return answer.body


def _sleep(until: float) -> None:
    time.sleep(max(0.0, until - time.monotonic()))


def looking(site: Site, numbers: Sequence[int], seconds: float) -> Seen:
    """Begun one after the other within the first five seconds."""
    seen, now = Seen(), time.monotonic()
    threads = [
        threading.Thread(
            target=Operator(site, number, seen).run,
            args=(now + EVERY * at / len(numbers), now + seconds),
            daemon=True,  # Ctrl-C ends the benchmark
        )
        for at, number in enumerate(numbers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def operators(bench: Bench) -> Figures:
    """p95 of all against the p50 of one who is alone, who has a page of each kind open; and all errors."""
    site, plan = bench.large or bench.small, bench.plan
    quiet = looking(site, range(len(PAGES)), QUIET_SECONDS)
    with site.console.simulated() as simulator:
        many = looking(site, range(plan.operators), plan.seconds)
        ended = simulator.poll()
    base = percentile(quiet.seconds, 0.5)
    bench.raw["operators"] = {
        "quiet_p50": base,
        "quiet": dict(quiet.statuses),
        "statuses": dict(many.statuses),
        "simulator_ended": ended,
        **{f"p{share}": percentile(many.seconds, share / 100) for share in (50, 95, 99)},
        "slowest": max(many.seconds),
    }
    errors = many.errors + quiet.errors + (0 if ended is None else 1)
    return {
        "operators-p95": Figure.of([percentile(many.seconds, 0.95) / base]),
        "operators-errors": Figure.of([errors]),
    }

"""How much is measured: `make bench`, or `make bench-quick`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import load
from benchmarks.figures import Figure
from benchmarks.stack import Console, Floor, floor
from benchmarks.wrk import Rounds

OPERATORS = 50
Figures = dict[str, Figure]


@dataclass(frozen=True)
class Plan:
    """Items of the small and of the large tables (0: not measured), rounds, and how often the rest is done."""

    product: Path
    small: int = 2_000
    large: int = 100_000
    rounds: int = 5
    cold: int = 3
    warm: int = 10
    windows: int = 3
    starts: int = 3
    operators: int = OPERATORS
    seconds: int = 60
    agents: int = 1_000
    agent_requests: int = 100


def quick(product: Path) -> Plan:
    return Plan(
        product, large=0, rounds=1, cold=1, warm=3, windows=1, starts=1, operators=0, agent_requests=20
    )


@dataclass
class Site:
    """A console with its items, its floor, and those who are signed in."""

    console: Console
    floor: Floor
    cookies: list[str]
    token: str

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": self.cookies[0]}

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@contextmanager
def site(plan: Plan, home: Path, name: str, items: int) -> Iterator[Site]:
    """A request is written to four indexes, so only three of ten items are requests. Raises CannotRun."""
    console = Console(plan.product, home / name)
    with ExitStack() as stack:
        stack.enter_context(console.running())
        console.load(items * 7 // 10, items * 3 // 10)
        below = stack.enter_context(floor(console, load.WORKFLOW_STATUSES, load.REQUEST_STATUSES))
        made = console.inside("accounts", str(max(1, plan.operators)))
        yield Site(console, below, made["cookies"], made["token"])


@dataclass
class Bench:
    """What is running, and what was measured so far: `raw` by name, for the JSON; `problems`: why what is
    missing was not measured."""

    plan: Plan
    small: Site
    large: Site | None = None
    figures: Figures = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def keep(self, name: str, rounds: Rounds) -> Rounds:
        self.raw[name] = rounds
        return rounds

"""What is measured, in order, and on which tables."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import answers, browser, operators, others, overview
from benchmarks.goals import LARGE, keys_of
from benchmarks.plan import Bench, Figures, Plan, site
from benchmarks.wrk import CannotRun


@dataclass(frozen=True)
class Measure:
    """`after`: when nothing else runs, since it starts or loads more of its own."""

    work: Callable[[Bench], Figures]
    after: bool = False


MEASURES: dict[str, Measure] = {
    "status": Measure(answers.status),
    "lists": Measure(answers.lists),
    "polls": Measure(answers.polls),
    "overview": Measure(overview.small),
    "memory": Measure(others.memory),
    "browser": Measure(browser.pages),
    "growth": Measure(answers.growth),
    "overview-large": Measure(overview.large),
    "units": Measure(overview.units),
    "calls": Measure(others.calls),
    "operators": Measure(operators.operators),
    "start": Measure(others.start, after=True),
    "discovery": Measure(others.discovery, after=True),
}


def measured(plan: Plan, chosen: Sequence[str], home: Path, say: Callable[[str], None]) -> Bench:
    """Raises CannotRun where no console can be started. What one measurement can't do is among the problems, since
    the others' figures took ten minutes."""
    wanted = [name for name in MEASURES if name in chosen and (plan.large or name not in LARGE)]
    with ExitStack() as stack:
        say("starting the console and its floor ...")
        bench = Bench(plan, stack.enter_context(site(plan, home, "small", plan.small)))
        loaded = False
        for name in wanted:
            try:
                if name in LARGE and not loaded:
                    loaded = True  # or tried in vain, which says why once
                    say(f"loading {plan.large:,} items ...")
                    bench.large = stack.enter_context(site(plan, home, "large", plan.large))
                if name in LARGE and bench.large is None:
                    raise CannotRun("there are no large tables.")
                if MEASURES[name].after:
                    stack.close()
                say(f"{name} ...")
                bench.figures |= figures_of(bench, name)
            except Exception as problem:
                bench.problems.append(
                    f"{name}: {problem if isinstance(problem, CannotRun) else repr(problem)}"
                )
                say(bench.problems[-1])
    return bench


def figures_of(bench: Bench, name: str) -> Figures:
    """Raises CannotRun where they are not those of its goals, and what the measurement raises."""
    figures = MEASURES[name].work(bench)
    if figures.keys() != keys_of(name):
        raise CannotRun(f"measured {sorted(figures)}, and its goals are {sorted(keys_of(name))}.")
    return figures

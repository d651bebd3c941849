"""The table on the terminal, and the JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.goals import GOALS, LARGE, Goal

RESULTS = Path(__file__).with_name("results")
HEADINGS = ("work", "then", "now (range)", "goal", "")
NOTE = (
    "Ratios are made within each round, floor and console one after the other; their median, and their range. "
    '"then": at the revision where the work on speed began. The FastAPI portal of the seeds is not part of this '
    "repository, so its figures are not measured."
)


def shown(figure: Figure | None, goal: Goal) -> str:
    if figure is None:
        return "make bench" if goal.measure in LARGE else "not measured"
    span = "" if figure.low == figure.high else f" ({figure.low:.3g}-{figure.high:.3g})"
    return f"{figure.value:.3g}{span}"


def verdict(figure: Figure | None, goal: Goal) -> str:
    met = goal.met(figure)
    return "" if met is None else "met" if met else "not met"


def figures_in(file: Path) -> dict[str, Figure]:
    """Of an earlier run, by its JSON. Raises OSError, ValueError, KeyError and TypeError where it is none."""
    rows = json.loads(file.read_text())["rows"]
    return {row["key"]: Figure(**row["now"]) for row in rows if row["now"]}


def table(figures: Mapping[str, Figure], before: Mapping[str, Figure] | None = None) -> str:
    """`before`: an earlier run's, in place of those that the goals hold."""
    rows = [HEADINGS]
    for goal in GOALS:
        figure = figures.get(goal.key)
        then = goal.then if before is None else shown(before[goal.key], goal) if goal.key in before else ""
        rows.append((goal.name, then, shown(figure, goal), goal.wanted, verdict(figure, goal)))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def targets(raw: Mapping[str, Any]) -> str:
    """Each target of wrk, at its median round."""
    rows: list[Sequence[str]] = [("target", "p50 ms", "p99 ms", "per s", "CPU ms", "bytes", "errors")]
    for name, rounds in raw.items():
        if not isinstance(rounds, dict) or not all(_is_rounds(one) for one in rounds.values()):
            continue
        for label, measured in rounds.items():
            middle = {key: Figure.of(one[key] for one in measured).value for key in measured[0]}
            rows.append((
                f"{name}: {label}", f"{middle['p50'] / 1000:.2f}", f"{middle['p99'] / 1000:.2f}", f"{middle['rate']:.0f}",
                f"{middle['cpu']:.2f}", f"{middle['bytes']:.0f}", f"{sum(one['bad'] for one in measured):.0f}",
            ))  # fmt: skip
    return aligned(rows)


def _is_rounds(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "p50" in value[0]


def document(
    figures: Mapping[str, Figure], raw: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    goals = [
        {
            "key": goal.key,
            "name": goal.name,
            "then": goal.then,
            "goal": goal.wanted,
            "met": goal.met(figures.get(goal.key)),
            "now": figures[goal.key].document if goal.key in figures else None,
        }
        for goal in GOALS
    ]
    return {**about, "rows": goals, "raw": raw}


def kept(written: Mapping[str, Any], now: datetime | None = None) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(written, indent=1) + "\n")
    return file

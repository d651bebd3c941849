"""The overview's panel of open cases."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from opsportal.console.timerange import Window
from opsportal.descriptors import Panel
from opsportal.failures import figures
from opsportal.failures.columns import ORDERS, row_of
from opsportal.failures.words import is_waiting

SHOWN = 5


def shown(value: Mapping[str, Any], window: str) -> dict[str, Any]:
    """The cases that nobody has taken notice of, the most urgent first."""
    found, now = figures.of(value), datetime.now(UTC)
    waiting = [case for case in found.cases if is_waiting(case, now)]
    rows = [row_of(case, found, Window(window, ""), {}, now) for case in waiting]
    rows.sort(key=ORDERS[""][1])  # type: ignore[arg-type]
    return {
        "rows": rows[:SHOWN],
        "more": len(rows) - SHOWN,
        "others": len(found.cases) - len(waiting),
        "left": any(one.is_left(now) for one in found.followed.values()),
    }


PANEL = Panel(
    figures.KEY,
    "Open cases",
    "failures/panel.html",
    figures.read,
    shown,
    figures.location,
    "failures.view_cases",
    "failures:list",
    fresh=lambda: figures.FRESH,
    elsewhere=True,
)

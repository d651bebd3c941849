"""The HTML of the overview's panels: drawn once for each window and time zone, not for each reader, and by the worker ahead
of those who look, as their figures are read. Of an overview whose figures are new, drawing was two thirds."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from django.core.cache import caches
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from opsportal.console import clock
from opsportal.console.context import version
from opsportal.console.listing import seen_token
from opsportal.console.timerange import Window, window_named
from opsportal.descriptors import Panel
from opsportal.dynamo.shared import Shared, keep

# Seconds after which a panel asks again soon: somebody has just begun to look.
STALE_SECONDS = 30
# Seconds that a look counts: longer than the slowest poll.
VIEWED_SECONDS = 90
# Ways to look that the worker draws for, the last ones; the pages of others draw for themselves.
MAX_LOOKS = 8


@dataclass(frozen=True)
class Form:
    """What a panel's HTML depends on but for its figures. `linked`: it leads to its list."""

    window: Window
    zone: str
    linked: bool

    def name(self, figures: str) -> str:
        """Of the HTML of figures of that name, whatever they are: a cache forgets only what is asked for again. A worker of
        another version draws icons that the pages of this one have not."""
        return f"html:{version()}:{figures}:{self.window.key}:{self.zone}:{self.linked}"

    def seen(self, found: Shared[Any]) -> str:
        """When figures were read says all: nobody compares them for that."""
        return seen_token(found.at, self.window.key, str(found.failed or ""))


def html(panel: Panel, form: Form, name: str, found: Shared[Any], ahead: Shared[Any] | None) -> str:
    """The inside of a panel with these figures. `name`: of the form. `ahead`: what the shared cache has of that name, which
    may be of other figures."""
    process, seen = caches["process"], form.seen(found)
    has, inside = process.get(name) or ("", "")
    if has != seen:
        has, inside = ahead.value if ahead else ("", "")
        if has != seen:
            inside = _draw(panel, form, found)
        process.set(name, (seen, inside), panel.fresh())
    return _as_of_now(inside)


_TICKING = re.compile('(?<=<time datetime=")([^"]*)(" data-when="age" title="[^"]*">)[^<]*')


def _as_of_now(drawn: str) -> str:
    """With its times as long ago as they are now: the scripts would say so right away, and what follows would move."""
    now = timezone.now()
    return _TICKING.sub(lambda at: at[1] + at[2] + clock.relative(datetime.fromisoformat(at[1]), now), drawn)


def draw_ahead(panel: Panel, found: Shared[Any], looks: Iterable[str]) -> None:
    """Of figures that were read just now, for those who look so. Kept until they are read again."""
    for form in {_form(look, panel) for look in looks}:
        keep(form.name(panel.figures_name), (form.seen(found), _draw(panel, form, found)), 2 * panel.fresh())


def _draw(panel: Panel, form: Form, found: Shared[Any]) -> str:
    """Without a request: it is another reader's too."""
    shown = panel.shown(found.value, form.window.key)
    # Of a large table some rows were read before: the footer says when.
    lags = (found.at - shown.get("oldest", found.at)).total_seconds() > STALE_SECONDS
    context = {
        "shell": SimpleNamespace(zone=ZoneInfo(form.zone)),
        "list_url": reverse(panel.list_url_name) if form.linked else "",
        "window": form.window,
        "title_query": title_query(panel, form.window),
        "panel": panel.name,
        "title": panel.title,
        "about": panel.about or form.window.label,
        "body": panel.template,
        "figures": found,
        "lags": lags,
        "problem": found.failed,
        "again_url": f"{reverse('overview')}{form.window.query}",
        **shown,
    }
    return str(render_to_string("console/panel.html", context))


def title_query(panel: Panel, window: Window) -> str:
    """What is counted in the window leads to the list of that window."""
    return "" if panel.about else f"?range={window.key}"


# --- Who looks, and how ---------------------------------------------------------------------------------------


def look_of(window: Window, zone: str, linked: Iterable[str]) -> str:
    """A way to look at the overview: of which panels the list may be opened, by their keys."""
    return f"{window.key}:{zone}:{','.join(linked)}"


def _form(look: str, panel: Panel) -> Form:
    window, zone, linked = look.split(":")
    return Form(window_named(window), zone, panel.key in linked.split(","))


def note(name: str, look: str = "") -> None:
    """That somebody looks, and how; written every 30 seconds and process. Of two who write at once, one may be lost until
    its next turn, and draws until then."""
    if caches["process"].add(f"{name}:{look}", True, VIEWED_SECONDS / 3):
        since = time.time() - VIEWED_SECONDS
        others = {one: at for one, at in _noted(name).items() if one != look and at > since}
        caches["default"].set(name, others | {look: time.time()}, VIEWED_SECONDS)


def is_noted(name: str) -> bool:
    return bool(_noted(name))


def looks(name: str) -> list[str]:
    noted = _noted(name)
    return sorted(filter(None, noted), key=lambda look: noted[look])[-MAX_LOOKS:]


def _noted(name: str) -> dict[str, float]:
    """When each was noted last."""
    return caches["default"].get(name) or {}

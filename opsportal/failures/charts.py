"""The small chart of a case's row, and the large one of its page. SVG attributes only, for the strict CSP."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from opsportal.console import clock
from opsportal.failures.trend import HOUR

SPARK_WIDTH, SPARK_HEIGHT = 96, 20
# Bars begin below the line of text that is at the top.
HEIGHT, TOP, TEXT = 108, 20, 11
# Hours from one label of the axis to the next, by how many bars there are at most.
STEPS = ((30, 3), (60, 12), (200, 24))


def summed(counts: Sequence[int], most: int) -> list[int]:
    """As many sums as `most` at most, of equally many neighbours each; the newest is last."""
    size = -(-len(counts) // most) if counts else 1
    first = len(counts) % size
    starts = ([0] if first else []) + list(range(first, len(counts), size))
    return [sum(counts[at : at + (first if first and at == 0 else size)]) for at in starts]


def spark(counts: Sequence[int], tone: str, label: str) -> SafeString:
    """One bar for each count, the newest last."""
    top = max(counts, default=0) or 1
    step = SPARK_WIDTH / max(len(counts), 1)
    return SafeString(
        f'<svg class="spark tone-{tone}" width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{"".join(_bars(counts, top, step))}</svg>'
    )


def _bars(counts: Sequence[int], top: int, step: float) -> Iterable[str]:
    for n, count in enumerate(counts):
        height = max(count / top * (SPARK_HEIGHT - 1), 1)
        zero = "" if count else ' class="is-zero"'
        yield (
            f'<rect{zero} x="{n * step + step * 0.12:.1f}" y="{SPARK_HEIGHT - height:.1f}" '
            f'width="{step * 0.76:.1f}" height="{height:.1f}"/>'
        )


def large(
    series: Sequence[tuple[datetime, int]],
    typical: tuple[int, int] | None,
    first_seen: datetime | None,
    zone: ZoneInfo,
) -> SafeString:
    """A bar for each hour; what is above the typical band is in colour. A line marks the first occurrence."""
    high = typical[1] if typical else 0
    top = max([count for _, count in series] + [high, 1])
    scale = (HEIGHT - TOP) / top
    step = 100 / max(len(series), 1)
    parts = []
    if typical:
        low_y, high_y = HEIGHT - typical[0] * scale, HEIGHT - high * scale
        tall = max(low_y - high_y, 2)
        parts.append(f'<rect class="bars-band" width="100%" y="{low_y - tall:.1f}" height="{tall:.1f}"/>')
    for n, (at, count) in enumerate(series):
        height = max(count * scale, 1)
        css = "bar is-over" if count > high or not typical else "bar"
        said = f"{_time(at, zone)}: {count} run{'' if count == 1 else 's'}"
        parts.append(
            f'<g><title>{escape(said)}</title><rect class="hit" x="{n * step:.2f}%" width="{step:.2f}%" '
            f'height="{HEIGHT}"/><rect class="{css if count else "bar is-zero"}" x="{(n + 0.14) * step:.2f}%" '
            f'width="{step * 0.72:.2f}%" y="{HEIGHT - height:.1f}" height="{height:.1f}"/></g>'
        )
    parts.append(f'<line class="bars-base" x2="100%" y1="{HEIGHT + 0.5}" y2="{HEIGHT + 0.5}"/>')
    if series and first_seen and series[0][0] < first_seen <= series[-1][0] + HOUR:
        parts.append(_mark((first_seen - series[0][0]) / HOUR * step, first_seen, zone))
    label = f"Failed runs an hour, {len(series)} hours, the newest last"
    return SafeString(
        f'<svg class="bars tone-failed" width="100%" height="{HEIGHT + 2}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>{_axis(series, zone)}"
    )


def _mark(x: float, at: datetime, zone: ZoneInfo) -> str:
    end, shift = (" is-end", -5) if x > 50 else ("", 5)
    return (
        f'<line class="bars-mark" x1="{x:.2f}%" x2="{x:.2f}%" y2="{HEIGHT}"/><text class="bars-note{end}" '
        f'x="{x:.2f}%" dx="{shift}" y="{TEXT}">first seen {clock.in_zone(at, zone):%H:%M}</text>'
    )


def _axis(series: Sequence[tuple[datetime, int]], zone: ZoneInfo) -> str:
    hours = next((step for most, step in STEPS if len(series) <= most), STEPS[-1][1])
    form = "%H:%M" if hours < 24 else "%-d %b"
    labels = "".join(f"<span>{clock.in_zone(at, zone):{form}}</span>" for at, _ in series[::hours])
    return f'<p class="bars-axis" aria-hidden="true">{labels}</p>'


def _time(at: datetime, zone: ZoneInfo) -> str:
    local = clock.in_zone(at, zone)
    return f"{local:%-d %b %H:%M} {clock.zone_name(local)}"

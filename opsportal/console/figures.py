"""Small server-rendered pictures: step dots, bars, meters. SVG attributes only, for the strict CSP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from opsportal.console import numbers, tones
from opsportal.console.text import escape, excerpt, visible

# One shape per tone in a 10 x 10 box, so that a dot differs by more than its colour.
SHAPES = {
    tones.SUCCESS: '<circle cx="5" cy="5" r="4.5"/><path class="mark" d="M2.9 5.2l1.5 1.5 2.8-3.1"/>',
    tones.FAILED: '<path d="M5 .2L9.8 5 5 9.8.2 5z"/><path class="mark" d="M3.6 3.6l2.8 2.8M6.4 3.6L3.6 6.4"/>',
    tones.RUNNING: '<circle class="ring" cx="5" cy="5" r="3.75"/><path d="M5 1.25a3.75 3.75 0 0 1 0 7.5z"/>',
    tones.WAITING: '<circle class="ring" cx="5" cy="5" r="3.75"/>',
    tones.ATTENTION: '<path d="M5 .6L9.8 9.4H.2z"/>',
    tones.UNKNOWN: '<rect class="ring" x="1.25" y="1.25" width="7.5" height="7.5" rx="1"/>',
}
DOT, GAP = 10, 4


class Step(Protocol):
    @property
    def label(self) -> str: ...
    @property
    def tone(self) -> str: ...
    @property
    def status_text(self) -> str: ...


def _known(tone: str) -> str:
    return tone if tone in SHAPES else tones.UNKNOWN


def dots(steps: Sequence[Step]) -> SafeString:
    """A strip with one dot per step, each with its own title, and one accessible text for all."""
    if not steps:
        return mark_safe('<span class="none" title="no step recorded">—</span>')
    return _dots(
        tuple(
            (excerpt(str(step.label), 60), excerpt(str(step.status_text), 60), _known(step.tone))
            for step in steps
        )
    )


# Most rows of a list have the same few, which takes two thirds of their time; not many, as others write the texts.
@lru_cache(maxsize=128)
def _dots(steps: tuple[tuple[str, str, str], ...]) -> SafeString:
    """Of (label, status, tone)."""
    texts = [escape(f"{label}: {status}") for label, status, _ in steps]
    marks = "".join(
        f'<g class="tone-{tone}" transform="translate({1 + number * (DOT + GAP)} 1)"><title>{texts[number]}</title>'
        f'<rect class="hit" width="10" height="10"/>{SHAPES[tone]}</g>'
        for number, (_, _, tone) in enumerate(steps)
    )
    return SafeString(
        f'<svg class="dots" role="img" aria-label="{", ".join(texts)}" '
        f'width="{len(steps) * (DOT + GAP) - GAP + 2}" height="12">{marks}</svg>'
    )


def histogram(bars: Iterable[tuple[str, Any, str]], *, label: str, height: int = 40) -> SafeString:
    """Bars of (label, value, tone) on a common base line; a value of 0 keeps a hairline."""
    items = [
        (
            str(name),
            max(float(value or 0), 0.0),
            tone,
            numbers.plain(max(Decimal(str(value or 0)), Decimal(0))),
        )
        for name, value, tone in bars
    ]
    if not items:
        return mark_safe('<span class="none">—</span>')
    top = max(value for _, value, _, _ in items) or 1.0
    width = 100 / len(items)
    rects = format_html_join(
        "",
        '<g class="tone-{}"><title>{}: {}</title><rect x="{}%" y="{}" width="{}%" height="{}"/></g>',
        (
            (
                tone if tone in SHAPES else tones.UNKNOWN,
                visible(name),
                said,
                f"{number * width + width * 0.1:.3f}",
                f"{height - max(value / top * height, 1):.2f}",
                f"{width * 0.8:.3f}",
                f"{max(value / top * height, 1):.2f}",
            )
            for number, (name, value, tone, said) in enumerate(items)
        ),
    )
    text = f"{label}: " + ", ".join(f"{visible(name)} {said}" for name, _, _, said in items)
    return _chart(text, height, rects)


def stacked(bars: Sequence[tuple[str, Sequence[tuple[str, float]]]], *, label: str) -> SafeString:
    """Bars of parts, each (tone, value) on the one before, with one text for all of a bar. An empty bar keeps a
    hairline, so that the time it stands for is seen to be empty."""
    height = 44
    top = max((sum(value for _, value in parts) for _, parts in bars), default=0) or 1
    width = 100 / (len(bars) or 1)

    # No `format_html` here, as in `dots`: with it, charts were a third of an overview whose figures are new.
    drawn = []
    for location, (title, parts) in enumerate(bars):
        base, rectangles = float(height), []
        left, across = f"{location * width + width * 0.1:.3f}", f"{width * 0.8:.3f}"
        for tone, value in parts:
            if value > 0:
                # What is there is seen, however little of the whole it is.
                tall = max(value / top * (height - 2 * len(parts)), 1.5)
                base -= tall
                rectangles.append((_known(tone), f"{base:.2f}", f"{tall:.2f}"))
        drawn.append(
            f"<g><title>{escape(visible(title))}</title>"
            f'<rect class="hit" x="{location * width:.3f}%" y="0" width="{width:.3f}%" height="100%"/>'
            + "".join(
                f'<rect class="tone-{tone}" x="{left}%" y="{y}" width="{across}%" height="{tall}"/>'
                for tone, y, tall in rectangles or [(tones.WAITING, f"{height - 1:.2f}", "1")]
            )
            + "</g>"
        )
    return _chart(visible(label), height, SafeString("".join(drawn)))


def share_bar(parts: Sequence[tuple[str, str, int]], *, label: str, height: int = 14) -> SafeString:
    """One bar of parts side by side, each (label, tone, value), and one text for all. What is there is seen, however
    little of the whole it is."""
    total = sum(value for _, _, value in parts)
    there = [part for part in parts if part[2] > 0]
    wide = [max(value / total * 100, 0.5) for _, _, value in there]
    scale, x, drawn = 100 / (sum(wide) or 1), 0.0, []
    for (name, tone, value), width in zip(there, wide, strict=True):
        drawn.append((tone, name, f"{value:,}", f"{x:.2f}", f"{width * scale:.2f}", height))
        x += width * scale
    rects = format_html_join(
        "", '<g class="tone-{}"><title>{}: {}</title><rect x="{}%" width="{}%" height="{}"/></g>', drawn
    )
    text = f"{label}: {', '.join(f'{value:,} {name}' for name, _, value in there) or 'nothing'}"
    return format_html(
        '<svg class="share-bar" role="img" aria-label="{}" width="100%" height="{}">{}</svg>',
        visible(text),
        height,
        rects,
    )


def _chart(text: str, height: int, drawn: SafeString) -> SafeString:
    return format_html(
        '<svg class="histogram" role="img" aria-label="{}" width="100%" height="{}">{}</svg>',
        text,
        height,
        drawn,
    )


def meter(value: Decimal | float, top: Decimal | float, *, label: str, tone: str = "") -> SafeString:
    """A progress bar with its figure. The bar stops at its end; the figure is what was written."""
    share = float(value) / float(top) * 100 if top else 0.0
    over = share < 0 or share > 100
    known = tone if tone in SHAPES else (tones.SUCCESS if share == 100 else tones.RUNNING)
    title = ' title="outside 0 to 100, as written"' if over else ""
    figure = f"{share:.1f}".removesuffix(".0")
    return SafeString(
        f'<span class="meter{" is-over" if over else ""}"><progress class="tone-{known}" max="100" '
        f'value="{min(max(share, 0), 100):.1f}" aria-label="{escape(label)}"></progress>'
        f'<span class="num"{title}>{figure} %</span></span>'
    )

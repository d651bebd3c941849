"""One value as escaped HTML: what the tags of templates and the columns of lists are made of.

Whatever comes from an item goes through these: they show what is missing as —, what can't be read with its raw form,
and make invisible characters visible. What they return is put into a page as it is, so each text of others in it
passes `escape`, which Django's `format_html` does too at six times the cost (a list has 700 of them).
"""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from opsportal.console import addresses, figures, numbers, text, tones
from opsportal.console import clock as clocks
from opsportal.console.icons import icon
from opsportal.console.invisible import has_invisible
from opsportal.console.text import escape
from opsportal.console.tones import tone_of
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.json_values import as_json

NOTHING = SafeString('<span class="none">—</span>')
NO_STATUS = SafeString(
    '<span class="status tone-unknown is-none" title="no status was written">no status</span>'
)
EMPTY, YES, NO = SafeString(""), SafeString("yes"), SafeString("no")
UTC_ZONE = ZoneInfo("UTC")
STATUS_LENGTH = 20
RAW_LENGTH = 80
# Characters of one value on a page. Texts of 300 KB occur; the raw item holds all of it.
MAX_TEXT = 4000


def malformed(value: Malformed) -> SafeString:
    """What can't be read, raw, with the reason on hover."""
    return SafeString(
        f'<span class="malformed" title="Can&#x27;t be read: {escape(value.reason)}">{icon("alert-triangle")}'
        '<span class="visually-hidden">malformed: </span>'
        f"<bdi>{escape(text.excerpt(value.raw, RAW_LENGTH))}</bdi></span>"
    )


def _plain(value: Any) -> SafeString:
    """Any value that is not a datetime, for people."""
    if isinstance(value, Malformed):
        return malformed(value)
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, Decimal):
        return _number(numbers.plain(value))
    if isinstance(value, dict | list | tuple):
        value = as_json(value)
    return _isolated(text.visible(shortened(str(value))))


def _isolated(visible: str) -> SafeString:
    """A text whose direction stays its own."""
    return SafeString(f"<bdi>{escape(visible)}</bdi>")


def _number(figure: str) -> SafeString:
    return SafeString(f'<span class="num">{escape(figure)}</span>')


def shortened(value: str, most: int = MAX_TEXT) -> str:
    rest = len(value) - most
    return f"{value[:most]}… ({rest:,} more characters)" if rest > 0 else value


# --- Times -----------------------------------------------------------------------------------------


def time_element(at: datetime, label: str, title: str, *, ticks: str = "") -> SafeString:
    """A `<time>`. The scripts keep one that `ticks` up to date (static/console/js/clock.js), as its age or as a
    duration."""
    ticking = f' data-when="{ticks}"' if ticks else ""
    return SafeString(
        f'<time datetime="{clocks.iso(at)}"{ticking} title="{escape(title)}">{escape(label)}</time>'
    )


def when(value: datetime | Malformed | None, now: datetime, zone: ZoneInfo) -> SafeString:
    """How long ago, with UTC and the reader's own time on hover."""
    if not isinstance(value, datetime):
        return _plain(value)
    return time_element(value, clocks.relative(value, now), clocks.both(value, zone), ticks="age")


def elapsed(value: datetime | Malformed | None, now: datetime, zone: ZoneInfo) -> SafeString:
    """How long it has lasted since then, beside durations of what has ended."""
    if not isinstance(value, datetime):
        return _plain(value)
    seconds = Decimal(max(int((now - value).total_seconds()), 0))
    return time_element(value, clocks.duration(seconds), clocks.both(value, zone), ticks="duration")


def clock(value: datetime | Malformed | None, zone: ZoneInfo) -> SafeString:
    """Date and time in the reader's zone, with both zones on hover."""
    if not isinstance(value, datetime):
        return _plain(value)
    return time_element(value, clocks.absolute(value, zone), clocks.both(value, zone))


def duration(value: Any) -> SafeString:
    """Seconds (int, float, Decimal) or a timedelta as `4 m 12 s`."""
    seconds = numbers.as_number(value.total_seconds() if isinstance(value, timedelta) else value)
    return _plain(value) if seconds is None else _number(clocks.duration(seconds))


# --- Texts and numbers -----------------------------------------------------------------------------


def shown(value: Any) -> SafeString:
    """Any value for people. A time is given in UTC: `when` and `clock` know the reader's zone."""
    if isinstance(value, datetime):
        return clock(value.astimezone(UTC), UTC_ZONE)
    if isinstance(value, list | tuple | set | frozenset):
        return SafeString(", ".join(map(_plain, value))) if value else NOTHING
    return _plain(value)


def excerpt(value: Any, length: int = text.EXCERPT_LENGTH) -> SafeString:
    """The first line of a text, shortened; of a map or a list the beginning of its JSON."""
    if isinstance(value, dict | list | tuple):
        value = as_json(value)
    if not isinstance(value, str) or not value:
        return _plain(value)
    return _isolated(text.excerpt(value, int(length)))


def first_line(value: Any, length: int = text.EXCERPT_LENGTH) -> SafeString:
    """`excerpt` of a message that a program wrote: without the colours and line ends of a terminal."""
    if not isinstance(value, str) or not value:
        return excerpt(value, length)
    return _isolated(text.first_line(value, int(length)))


def ident(key: Any, length: int = 0) -> SafeString:
    """A key for people: one of white space alone must still be a link that can be seen."""
    return _isolated(text.exact(str(key), int(length)))


def exactly(value: Any, length: int = 0) -> SafeString:
    """`shown`, in which no two texts look alike: of names and of what filters compare."""
    if isinstance(value, list | tuple) and value:
        return SafeString(", ".join(exactly(one, length) for one in value))
    if not isinstance(value, str) or not value or (not length and len(value) > MAX_TEXT):
        return shown(value)
    return ident(value, length)


def thousands(value: Any) -> SafeString:
    """`14,169`: a number with separators, in tabular figures."""
    number = numbers.as_number(value)
    return _plain(value) if number is None else _number(numbers.grouped(number))


def filesize(value: Any) -> SafeString:
    """Bytes as `312 KB`."""
    number = numbers.as_number(value)
    return _plain(value) if number is None else _number(numbers.size(number))


# --- Status, figures -------------------------------------------------------------------------------


def status(value: Any) -> SafeString:
    """Icon, the word as stored, and the tone's colour."""
    if isinstance(value, Malformed):
        return malformed(value)
    if value is None or value == "":
        return NO_STATUS
    word = str(value)
    return _short_status(word) if len(word) <= STATUS_LENGTH else _status(word)


def _status(word: str) -> SafeString:
    shown_word = text.visible(shortened(word, 400))
    tone = tone_of(word)
    cut = len(shown_word) > STATUS_LENGTH
    name = "ban" if shown_word.lower() in ("cancelled", "canceled") else tones.ICONS[tone]
    label, title = shown_word, ""
    if cut:
        label, title = f"{shown_word[: STATUS_LENGTH - 1]}…", f' title="{escape(shown_word)}"'
    return SafeString(
        f'<span class="status tone-{tone}"{title}>{icon(name)}<bdi>{escape(label)}</bdi></span>'
    )


# Fifty rows have the same few words. Short ones alone are kept, and not many: they are written by others.
_short_status = lru_cache(maxsize=256)(_status)


def meter(value: Any, top: Any = 100, label: str = "Progress", tone: str = "") -> SafeString:
    """A bar for `value` of `top`; what is missing or malformed is shown as such."""
    number, limit = numbers.as_number(value), numbers.as_number(top)
    if number is None or not limit:
        return shown(value)
    return figures.meter(number, limit, label=label, tone=tone)


# --- Copying, links --------------------------------------------------------------------------------


def copy(value: Any, label: str = "Copy") -> SafeString:
    """A button that copies a text; without scripts it is not shown."""
    if not value:
        return EMPTY
    as_text = str(value)
    hidden = odd = ""
    if not (as_text.isascii() and as_text.isprintable()):
        if has_invisible(as_text):
            label, hidden = f"{label} (it holds invisible characters)", ' data-invisible="true"'
        # HTML holds no NUL and no half of a character.
        if re.search("[\x00\ud800-\udfff]", as_text):
            odd = f' data-copy-json="{escape(json.dumps(as_text))}"'
    # A browser reads a carriage return in a page as a line feed.
    copied = escape(as_text).replace("\r", "&#13;")
    said = escape(label)
    return SafeString(
        f'<button type="button" class="copy js-only" data-copy="{copied}"{odd}{hidden} title="{said}" '
        f'aria-label="{said}">{icon("copy")}</button>'
    )


def filter_link(url: str, value: Any, what: str, length: int = 30, words: str = "") -> SafeString:
    """A value that filters the list by itself. `what`: what the link shows alone. `words`: those shown for the value,
    which is then on hover."""
    if not value:
        return shown(value)
    title = text.visible(str(value)[:length]) if words else f"this {what}"
    inside = excerpt(words, length) if words else ident(value, length)
    return SafeString(
        f'<a class="cell-filter" href="{escape(url)}" title="Only {escape(title)}">{inside}</a>'
    )


def search_link(value: Any, length: int = 80) -> SafeString:
    """An id that leads to the search for it."""
    inside = excerpt(value, length)
    url = addresses.search(value)
    if not url:
        return inside
    return SafeString(
        f'<a href="{escape(url)}" title="Search for {escape(text.exact(value, 120))}">{inside}</a>'
    )


def row_link(url: str, inside: str) -> SafeString:
    """The link that opens a row, around what other cells made."""
    return SafeString(f'<a href="{escape(url)}" data-row-link>{inside}</a>')


def toned(tone: str, inside: str) -> SafeString:
    """What other cells made, in the colour of one of `tones`."""
    return SafeString(f'<span class="text-tone tone-{tone}">{inside}</span>')


def truncated(inside: str, title: str = "") -> SafeString:
    """What other cells made, cut at the cell's end by the browser; `title`: the text on hover."""
    titled = f' title="{escape(title)}"' if title else ""
    return SafeString(f'<span class="truncate"{titled}>{inside}</span>')

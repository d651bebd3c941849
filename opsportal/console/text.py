"""Text that others wrote, made safe to look at: nothing invisible, nothing that reorders the page."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable

from opsportal.console.invisible import sign, signed, without_invisible

EXCERPT_LENGTH = 120
# Characters that a `first_line` is looked for in: half of a message may be colours.
MAX_HEAD = 20_000
# Characters of a `plain_line`.
MAX_LINE = 200
# Space that would not be seen: at the ends of a value, a second one in a row, and breaks and tabs anywhere in it.
_UNSEEN_SPACE = re.compile(r"\A +| +\Z|(?<= ) +|[\n\t]")
# What programs write to a terminal: colours (SGR), and links (OSC 8), whose text stands between two of these.
_COLOUR = re.compile("(?:\x1b\\[|\x9b)[0-9;:]*m")
_LINK = re.compile("(?:\x1b\\]|\x9d)8;[^;\x07\x1b\x9c]*;[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)")


_MARKUP = re.compile("[&<>\"']").search


def escape(text: str) -> str:
    """`html.escape`, which looks through a text five times. Of the 650 of a list few have anything to escape: a
    hundredth of its page."""
    return html.escape(text) if _MARKUP(text) else text


def visible(text: str) -> str:
    """The text with control, zero-width, blank and bidirectional characters replaced by visible signs."""
    return signed(text)


def _is_bare(text: str) -> bool:
    """Whether `text` has nothing to be shown otherwise, as nearly all have."""
    return text.isascii() and text.isprintable() and "  " not in text and text.strip(" ") == text


def exact(text: str, most: int = 0) -> str:
    """`visible`, in which no two values look alike: space at an end, doubled space, breaks and tabs have signs too. Of
    at most so many characters, where that is given."""
    cut = text[: most - 1] if 0 < most < len(text) else text
    if cut is text and _is_bare(text):
        return text
    shown = signed(_UNSEEN_SPACE.sub(lambda found: "".join(map(sign, found[0])), cut))
    return shown if cut is text else shown + "\N{HORIZONTAL ELLIPSIS}"


def terminal(text: str) -> str:
    """What a terminal would show of a program's output: no colours, of a link its text, of a line that was written
    over its last state, and line ends as such. All other controls stay."""
    if "\x1b" in text or "\x9b" in text or "\x9d" in text:
        text = _LINK.sub("", _COLOUR.sub("", text))
    if "\r" not in text:
        return text
    return "\n".join(map(_last_state, re.sub("\r+\n", "\n", text).split("\n")))


def _last_state(line: str) -> str:
    return (
        next((state for state in reversed(line.split("\r")) if state.strip()), "") if "\r" in line else line
    )


def readable(text: str) -> str:
    """Of messages: `visible`, but colours and line ends of a terminal are no noise. Never of a key or a status, two of
    which would look alike."""
    return visible(terminal(text))


def spellings(words: Iterable[str]) -> list[str]:
    """One of those that differ in case alone: as most of them are written, else as the first is."""
    counted = Counter(words)
    written: dict[str, str] = {}
    for word, _ in counted.most_common():
        written.setdefault(word.lower(), word)
    return list(written.values())


def one_line(text: str) -> str:
    """`visible`, and no line of its own making: breaks and tabs are spaces."""
    return visible(text.replace("\n", " ").replace("\t", " "))


def first_line(text: str, length: int = EXCERPT_LENGTH) -> str:
    """`excerpt` of a message, see `readable`."""
    return excerpt(terminal(text[:MAX_HEAD]) + text[MAX_HEAD:], length)


def excerpt(text: str, length: int = EXCERPT_LENGTH) -> str:
    """The first line that is not blank, at most `length` characters, ending in … when cut."""
    if len(text) <= length and _is_bare(text):
        return text
    # Only the head is looked at: error texts of 300 KB occur.
    head = text[: length * 8].lstrip()
    line = head.split("\n", 1)[0].rstrip()
    cut = len(line) > length or len(text) > len(head) + length or "\n" in text.strip()
    if len(line) > length:
        line = line[: length - 1].rstrip()
    return visible(line) + ("…" if cut else "")


def plain_line(text: str, most: int = MAX_LINE) -> str:
    """The first line that is not blank, in at most that many characters, without what is invisible or
    reorders text."""
    kept = without_invisible(re.sub(r"[^\S\n\u2028\u2029]", " ", terminal(text[: most * 8])))
    line = next((line.strip() for line in kept.split("\n") if line.strip()), "")
    return line if len(line) <= most else line[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"

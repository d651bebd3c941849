"""Text that others wrote, made safe to look at: nothing invisible, nothing that reorders the page."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Controls that a reader must see, for they hide or reorder what stands around them: C0 but tab and
# newline, C1, the bidirectional controls (Unicode 16, table 23-3), zero-width characters except the
# joiners that emoji and Indic scripts need, line and paragraph separators, interlinear annotations.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0001]"
)
EXCERPT_LENGTH = 120
# Characters of a `plain_line`.
MAX_LINE = 200


def _sign(match: re.Match[str]) -> str:
    # The code point rather than a control picture: few fonts have those.
    return f"\u27e6U+{ord(match.group()):04X}\u27e7"


def visible(text: str) -> str:
    """The text with control, zero-width and bidirectional characters replaced by visible signs."""
    return INVISIBLE.sub(_sign, text)


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


def excerpt(text: str, length: int = EXCERPT_LENGTH) -> str:
    """The first line that is not blank, at most `length` characters, ending in … when cut."""
    # Only the head is looked at: error texts of 300 KB occur.
    head = text[: length * 8].lstrip()
    line = head.split("\n", 1)[0].rstrip()
    cut = len(line) > length or len(text) > len(head) + length or "\n" in text.strip()
    if len(line) > length:
        line = line[: length - 1].rstrip()
    return visible(line) + ("…" if cut else "")


def plain_line(text: str, most: int = MAX_LINE) -> str:
    """The first line that is not blank, in at most that many characters, without control characters, surrogates and
    what reorders or hides text."""
    head = text[: most * 8].replace("\r", "\n")
    kept = "".join(
        character
        for character in head
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    line = next((line.strip() for line in kept.split("\n") if line.strip()), "")
    return line if len(line) <= most else line[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"

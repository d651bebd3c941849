"""How many bytes DynamoDB counts, and texts cut to fit. Every limit of the writers is in these bytes."""

import re
import unicodedata
from typing import Any

ITEM_BYTES = 400 * 1024  # of an item, names included
_CUT = re.compile(r" \[cut: [\d,]+ of ([\d,]+) bytes left out\]\Z")
_SENTENCE = 60
_JOINER = "\u200d"


def utf8(value: str) -> str:
    """The text as UTF-8 can hold it: a lone surrogate is a question mark."""
    return value.encode("utf-8", "replace").decode()


def of_text(value: str) -> int:
    return len(value.encode("utf-8", "replace"))


def of_item(item: dict[str, Any]) -> int:
    """Of an item, or of the members of a map."""
    return sum(of_text(name) + of(value) for name, value in item.items())


def of(value: dict[str, Any]) -> int:
    """Of an AttributeValue. DynamoDB documents a number's only roughly; here it is never less."""
    ((kind, inner),) = value.items()
    if kind == "S":
        return of_text(inner)
    if kind == "N":
        return _of_number(inner)
    if kind == "M":
        return 3 + len(inner) + of_item(inner)
    if kind == "L":
        return 3 + len(inner) + sum(map(of, inner))
    if kind in ("SS", "NS", "BS"):
        return sum(of({kind[0]: member}) + 1 for member in inner)
    return len(inner) if kind == "B" else 1


def _of_number(digits: str) -> int:
    """A byte for two significant digits, one for the exponent, one for a sign."""
    figures = re.sub(r"[eE].*|\D", "", digits).strip("0")
    return len(figures) // 2 + 2 + digits.startswith("-")


def cut(value: str, limit: int) -> str:
    """The text as UTF-8 can hold it. Of one that is longer, at most ``limit`` bytes, and a sentence of about 50
    that says how much was left out: of the whole text, where it was cut before."""
    data = value.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    text, total = data.decode(), len(data)
    if before := _CUT.search(text):
        total = int(before[1].replace(",", ""))
        text = text[: before.start()]
    kept = _whole(text, text.encode()[:limit].decode("utf-8", "ignore"))
    return f"{kept} [cut: {total - len(kept.encode()):,} of {total:,} bytes left out]"


def fit(value: str, room: int) -> str:
    """The text within so many bytes, with the sentence of `cut`; "" where there is no room for both."""
    if of_text(value) <= room:
        return utf8(value)
    return cut(value, room - _SENTENCE) if room > _SENTENCE else ""


def is_cut_of(short: str, text: str) -> bool:
    """Whether ``short`` is what `cut` made of the text, at any limit."""
    end = _CUT.search(short)
    return end is not None and text.startswith(short[: end.start()])


def _whole(text: str, kept: str) -> str:
    """The beginning of the text without what is only a part of what readers see as one character."""
    end = len(kept)
    while 0 < end < len(text) and _go_together(text, end):
        end -= 1
    return kept[:end] if len(kept) - end < 50 else kept  # what goes on for longer is no one's character


def _go_together(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if _JOINER in (before, after) or before + after == "\r\n":
        return True
    if _is_flag(before) and _is_flag(after):  # letters of flags go in pairs
        start = at
        while start and _is_flag(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 1
    tone, tag = "\U0001f3fb" <= after <= "\U0001f3ff", "\U000e0020" <= after <= "\U000e007f"
    return tone or tag or unicodedata.category(after) in ("Mn", "Me", "Mc")


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"

"""What an item holds that no other part of its page shows: attributes, and members of maps and lists.

A page declares what it shows; all else is here, so that an attribute which nobody thought of is never hidden.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opsportal.dynamo.attributes import TYPE_NAMES, Typed, raw_text

# What is shown of a value. None: the whole. A mapping: these members of a map. A sequence: of a list, what is shown of
# each member. A value that is no map, or no list, is shown as one that can't be read.
Shown = Mapping[str, "Part"]
Part = Shown | Sequence["Part"] | None

# Rows of a page, and characters of a value in one; Raw has all.
MAX_ROWS, MAX_VALUE = 200, 500


@dataclass(frozen=True)
class OtherAttribute:
    """`path` leads to it: ``progress.retries``, ``config.sources[1].region``."""

    path: str
    value: Typed

    @property
    def tag(self) -> str:
        return next(iter(self.value), "")

    @property
    def type_name(self) -> str:
        return TYPE_NAMES.get(self.tag, "")

    @property
    def text(self) -> str:
        """The value as it is stored, digits and all; of a map or a list its DynamoDB JSON."""
        content: Any = self.value.get(self.tag)
        if (self.tag == "S" and content) or self.tag == "N":
            return str(content)
        if self.tag == "B":
            return base64.b64encode(content).decode() if isinstance(content, bytes) else str(content)
        if self.tag == "BOOL":
            return "true" if content else "false"
        if self.tag == "NULL":
            return "null"
        if self.tag in ("SS", "NS", "BS"):  # which come in any order
            content = sorted(content)
        return json.dumps(content) if self.tag == "S" else raw_text({self.tag: content})

    @property
    def shortened(self) -> str:
        return self.text[:MAX_VALUE]

    @property
    def more(self) -> int:
        """Characters that are in Raw only."""
        return max(len(self.text) - MAX_VALUE, 0)


@dataclass(frozen=True)
class OtherAttributes:
    """The first by name, and how many there are in all."""

    rows: list[OtherAttribute]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def other_attributes(raw: Mapping[str, Typed], shown: Shown) -> OtherAttributes:
    """What of the item `shown` does not name."""
    found = _members(raw, shown, "")
    rows = list(islice(found, MAX_ROWS))
    return OtherAttributes(rows, len(rows) + sum(1 for _ in found))


def _members(members: Mapping[str, Typed], shown: Shown, prefix: str) -> Iterator[OtherAttribute]:
    for name in sorted(members):
        path, value = f"{prefix}{name}", members[name]
        if name not in shown:
            yield OtherAttribute(path, value)
        else:
            yield from _within(value, shown[name], path)


def _within(value: Typed, shown: Part, path: str) -> Iterator[OtherAttribute]:
    if isinstance(shown, Mapping) and "M" in value:
        yield from _members(value["M"], shown, f"{path}.")
    elif isinstance(shown, Sequence) and "L" in value:
        for number, (member, part) in enumerate(zip(value["L"], shown, strict=True)):
            yield from _within(member, part, f"{path}[{number}]")

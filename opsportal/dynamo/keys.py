"""An item's primary key as a value: what a read asks for, where a cursor goes on, what addresses and the audit trail
name.

For one table, keys and their texts are one to one: a text that is written in another way is no key's.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact
from typing import NamedTuple, Self

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.json_values import in_range

# AWS limits, in bytes.
MAX_HASH_BYTES, MAX_SORT_BYTES = 2048, 1024
# Between the texts of the hash and of the sort attribute; in that of the hash it is written `~2C`, and `~` is `~7E`.
SEPARATOR = ","
# After every key that an item may have, by type.
LAST: Mapping[str, Typed] = {
    "S": {"S": chr(0x10FFFF) * 64},
    "N": {"N": "9" * 38 + "0" * 88},
    "B": {"B": b"\xff" * 64},
}
# A number has at most 38 digits.
_CONTEXT = Context(prec=38, traps=[Inexact])


class NotAKey(ValueError):
    """A text that is no key's of that table: no item has it."""


class KeyAttribute(NamedTuple):
    """One attribute of a key. `value`: text, of a number (N) its plain digits; bytes where the type is B."""

    name: str
    type: str
    value: str | bytes

    @classmethod
    def from_typed(cls, name: str, typed: Typed) -> Self:
        ((kind, value),) = typed.items()
        return cls(name, kind, _digits(value) if kind == "N" else value)

    @classmethod
    def from_text(cls, text: str, name: str, kind: str, most: int) -> Self:
        value: str | bytes = text
        try:
            if kind == "N":
                value = _digits(text)
            elif kind == "B":
                value = base64.b64decode(text, validate=True)
            length = len(value if isinstance(value, bytes) else value.encode())
        except (ValueError, DecimalException) as error:  # half a surrogate pair has no bytes
            raise NotAKey(f"This is not of type {kind}.") from error
        if not 1 <= length <= most:
            raise NotAKey(f"A key attribute has 1 to {most:,} bytes, and this has {length:,}.")
        return cls(name, kind, value)

    @property
    def typed(self) -> Typed:
        return {self.type: self.value}

    @property
    def text(self) -> str:
        return base64.b64encode(self.value).decode() if isinstance(self.value, bytes) else self.value


@dataclass(frozen=True, slots=True)
class Key:
    """The primary key of one item: its hash attribute, and its sort attribute where the table has one.

    `Binding.key_of` makes it from its text, `Binding.key_in` from an item.
    """

    hash: KeyAttribute
    sort: KeyAttribute | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Typed], names: Iterable[str]) -> Self:
        """From an item, or from a key as the wire has it. KeyError where it lacks a key attribute."""
        return cls(*(KeyAttribute.from_typed(name, item[name]) for name in names))

    @classmethod
    def from_text(cls, text: str, types: Mapping[str, str]) -> Self:
        """The key that has this text in a table with these key attributes (name and type, the hash first). Raises
        NotAKey."""
        head, *tail = [text] if len(types) == 1 else text.split(SEPARATOR, 1)
        if tail:
            head = head.replace("~2C", SEPARATOR).replace("~7E", "~")
        parts = zip((head, *tail), types.items(), (MAX_HASH_BYTES, MAX_SORT_BYTES), strict=False)
        attributes = [KeyAttribute.from_text(part, *named, most) for part, named, most in parts]
        key = cls(*attributes)
        if len(attributes) != len(types) or key.text != text:
            raise NotAKey("A key has one text, and this is another.")
        return key

    @property
    def wire(self) -> dict[str, Typed]:
        """As GetItem and the other calls take it: ``{"id": {"S": "r1"}}``."""
        return {part.name: part.typed for part in (self.hash, self.sort) if part}

    @property
    def text(self) -> str:
        """For people and addresses. Of a hash attribute alone it is the value: numbers in plain digits, bytes in
        Base64. With a sort attribute ``hash,sort``."""
        if self.sort is None:
            return self.hash.text
        head = self.hash.text.replace("~", "~7E").replace(SEPARATOR, "~2C")
        return f"{head}{SEPARATOR}{self.sort.text}"

    def __str__(self) -> str:
        return self.text

    @property
    def digest(self) -> str:
        """A short one, as cursors hold it: they travel in URLs."""
        return hashlib.sha256(self.text.encode(errors="surrogatepass")).hexdigest()[:12]


def _digits(number: str) -> str:
    """The one plain spelling of a number that DynamoDB can hold: no exponent and no zeros that say nothing."""
    value = Decimal(number).normalize(_CONTEXT)
    if not in_range(value):
        raise ValueError("DynamoDB holds no such number.")
    return format(value or Decimal(0), "f")

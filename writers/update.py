"""One conditional UpdateItem in the making."""

from datetime import datetime
from typing import Any

from . import sizes, values
from .values import Item

_SPARE = 400  # bytes, for the stamps and totals that most writes set


class Update:
    """Changes to an item that was read: only what differs from it is written.

    ``stamp_name``: the attribute that says when the item was changed, which every write sets.
    """

    stamp_name = ""

    def __init__(self, item: Item, now: datetime) -> None:
        self.item = item
        self.now = now
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: dict[str, str] = {}  # by path
        self._grown = 0  # bytes

    def __bool__(self) -> bool:
        return bool(self._sets or self._removes)

    def room(self, more: Item | None = None) -> int:
        """How many bytes the item can take besides what is set already, and besides ``more`` members."""
        return sizes.ITEM_BYTES - _SPARE - sizes.of_item(self.item) - self._grown - sizes.of_item(more or {})

    def set(self, value: Item, *path: str) -> None:
        """Set what is at a path. All of it but the last name has to be there, as maps."""
        was = values.at(self.item, *path)
        if was != value:
            self._sets.append(f"{self._path(*path)} = {self._value(value)}")
            self._grown += sizes.of(value) - (sizes.of(was) if was else -sizes.of_text(path[-1]) - 1)

    def remove(self, *path: str) -> None:
        self._removes.append(self._path(*path))

    def add(self, value: Item, *path: str) -> None:
        """Add to a number, which may be missing."""
        total, zero = self._path(*path), self._value({"N": "0"})
        self._sets.append(f"{total} = if_not_exists({total}, {zero}) + {self._value(value)}")

    def append(self, value: Item, *path: str) -> None:
        """Append to a list. What is there and is no list is replaced."""
        if "L" in (values.at(self.item, *path) or {}):
            place = self._path(*path)
            self._sets.append(f"{place} = list_append({place}, {self._value({'L': [value]})})")
            self._grown += sizes.of(value) + 1
        else:
            self.require_as_read(*path)
            self.set({"L": [value]}, *path)

    def require_as_read(self, *path: str) -> None:
        """Write only if that was not changed in between."""
        recorded, name = values.at(self.item, *path), self._path(*path)
        if recorded is None:
            self._conditions[name] = f"attribute_not_exists({name})"
        elif name not in self._conditions:
            self._conditions[name] = f"{name} = {self._value(recorded)}"

    def stamp(self) -> str:
        """Now, but never before what is recorded: what comes late is not the newest news."""
        recorded = self.item.get(self.stamp_name)
        since = values.moment(recorded)
        return values.text(recorded) if since and since > self.now else self.written(self.now)

    def written(self, moment: datetime) -> str:
        """A time in the form of this table."""
        return values.stamp(moment)

    def request(self, table_name: str, key: str, value: str) -> dict[str, Any]:
        """The arguments of UpdateItem. An item that is gone is not made again."""
        self._sets.append(f"{self._path(self.stamp_name)} = {self._value({'S': self.stamp()})}")
        conditions = [f"attribute_exists({self._path(key)})", *self._conditions.values()]
        expression = "SET " + ", ".join(self._sets)
        if self._removes:
            expression += " REMOVE " + ", ".join(self._removes)
        return {
            "TableName": table_name,
            "Key": {key: {"S": value}},
            "UpdateExpression": expression,
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }

    def _path(self, *names: str) -> str:
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in names)

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

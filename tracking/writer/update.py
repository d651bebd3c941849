"""The one conditional UpdateItem that a status write makes."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import values
from .values import Item


class Update:
    """An UpdateItem in the making: only what differs from the item as read is written."""

    def __init__(self, item: Item, now: datetime) -> None:
        self.item = item
        self.now = now
        self._names: dict[str, str] = {}
        self._values: Item = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: dict[str, str] = {}  # by path

    def __bool__(self) -> bool:
        return bool(self._sets or self._removes)

    def room(self) -> int:
        """About how many bytes the item can still take: DynamoDB's limit is 400 KB, names included."""
        return 396_000 - len(json.dumps(self.item, default=str))

    def overall(self, status: str) -> None:
        """Set the workflow's status, provided no other writer (a cancel, say) changes it in between."""
        self._require_as_read("overallStatus")
        self._set({"S": status}, "overallStatus")

    def step(self, step: str, fields: Item, removed: tuple[str, ...] = ()) -> None:
        """Set and remove fields of a step, and move the totals by what that changes of its share."""
        was = values.step_of(self.item, step)
        if was:
            # With the share of the totals as read, the difference is right, whatever other steps do.
            for name in ("status", "startedAt", "duration", "tokenUsage"):
                self._require_as_read(step, name)
            for name, value in fields.items():
                self._set_inside(value, step, name)
            for name in set(removed) & set(was):
                self._removes.append(self._path(step, name))
        else:  # a nested path needs its parent, so the map is made whole
            self._require_as_read(step)
            self._set({"M": fields}, step)
        becomes = {name: value for name, value in (was | fields).items() if name not in removed}
        if usage := fields.get("tokenUsage"):
            becomes["tokenUsage"] = {"M": values.mapping(was.get("tokenUsage")) | usage["M"]}
        self.totals(self.item | {step: {"M": becomes}})

    def totals(self, becomes: Item | None = None) -> None:
        """Move the totals to the sum of the steps of the item as it becomes.

        By addition where the totals are true, so that parallel steps do not wait for each other. Where
        another program left them wrong, to the sum itself, provided nobody moves them in between.
        """
        before, after = values.sums(self.item), values.sums(becomes or self.item)
        usage = self.item.get("totalTokenUsage")
        whole = usage is None or "M" not in usage
        if whole and any(after[name] for name in values.TOKENS):
            self._require_as_read("totalTokenUsage")
            self._set({"M": {name: values.number(after[name]) for name in values.TOKENS}}, "totalTokenUsage")
        for measure, (_, path) in values.MEASURES.items():
            if whole and measure in values.TOKENS:
                continue
            stands = values.at(self.item, *path)
            recorded = Decimal(0) if stands is None else values.decimal(stands)
            if recorded != before[measure]:
                self._require_as_read(*path)
                self._set(values.number(after[measure]), *path)
            elif after[measure] != before[measure]:
                total, zero = self._path(*path), self._value({"N": "0"})
                by = self._value(values.number(after[measure] - before[measure]))
                self._sets.append(f"{total} = if_not_exists({total}, {zero}) + {by}")

    def request(self, table_name: str, key: str, value: str) -> dict[str, Any]:
        """The arguments of UpdateItem. An item that is gone is not made anew."""
        self._sets.append(f"{self._path('lastUpdated')} = {self._value({'S': values.stamp(self.now)})}")
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

    def _set_inside(self, value: Item, *path: str) -> None:
        """Set a field; of a map that exists only the leaves, so that its other entries stay."""
        recorded = values.at(self.item, *path)
        if "M" in value and recorded and "M" in recorded:
            for name, leaf in value["M"].items():
                self._set(leaf, *path, name)
        else:
            self._set(value, *path)

    def _set(self, value: Item, *path: str) -> None:
        if values.at(self.item, *path) != value:
            self._sets.append(f"{self._path(*path)} = {self._value(value)}")

    def _require_as_read(self, *path: str) -> None:
        recorded, name = values.at(self.item, *path), self._path(*path)
        if recorded is None:
            self._conditions[name] = f"attribute_not_exists({name})"
        elif name not in self._conditions:
            self._conditions[name] = f"{name} = {self._value(recorded)}"

    def _path(self, *names: str) -> str:
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in names)

    def _value(self, value: Item) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

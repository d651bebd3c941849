"""What a status write changes of a workflow's item: its status, a step, and the totals with it."""

from decimal import Decimal

from . import values
from .update import Update
from .values import Item


class WorkflowUpdate(Update):
    stamp_name = "lastUpdated"

    def overall(self, status: str) -> None:
        """Set the workflow's status, provided no other writer (a cancel, say) changes it in between."""
        self.require_as_read("overallStatus")
        self.set({"S": status}, "overallStatus")

    def step(self, step: str, fields: Item, removed: tuple[str, ...] = ()) -> None:
        """Set and remove fields of a step, and move the totals by what that changes of its share."""
        was = values.step_of(self.item, step)
        if was:
            # With the share of the totals as read, the difference is right, whatever other steps do.
            for name in ("status", "startedAt", "duration", "tokenUsage"):
                self.require_as_read(step, name)
            for name, value in fields.items():
                self._set_inside(value, step, name)
            for name in set(removed) & set(was):
                self.remove(step, name)
        else:  # a nested path needs its parent, so the map is made whole
            self.require_as_read(step)
            self.set({"M": fields}, step)
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
            self.require_as_read("totalTokenUsage")
            self.set({"M": {name: values.number(after[name]) for name in values.TOKENS}}, "totalTokenUsage")
        for measure, (_, path) in values.MEASURES.items():
            if whole and measure in values.TOKENS:
                continue
            stands = values.at(self.item, *path)
            recorded = Decimal(0) if stands is None else values.decimal(stands)
            if recorded != before[measure]:
                self.require_as_read(*path)
                self.set(values.number(after[measure]), *path)
            elif after[measure] != before[measure]:
                self.add(values.number(after[measure] - before[measure]), *path)

    def _set_inside(self, value: Item, *path: str) -> None:
        """Set a field; of a map that exists only the leaves, so that its other entries stay."""
        recorded = values.at(self.item, *path)
        if "M" in value and recorded and "M" in recorded:
            for name, leaf in value["M"].items():
                self.set(leaf, *path, name)
        else:
            self.set(value, *path)

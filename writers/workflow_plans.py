"""What each record changes of a workflow's item, given the item as it is.

A plan fills the update and returns why it refuses, or nothing. A record that is replayed is first asked
whether it is `superseded`: the item may have gone on while the record was on disk.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import sizes, values
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
            if self.item.get(step, {"M": {}}) not in ({"M": {}}, {"NULL": True}, {"S": ""}):
                raise ValueError(f"{step!r} is an attribute of the item and no step")
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
                change = values.EXACT.subtract(after[measure], before[measure])
                self.add(values.number(change), *path)

    def _set_inside(self, value: Item, *path: str) -> None:
        """Set a field; of a map that exists only the leaves, so that its other entries stay."""
        recorded = values.at(self.item, *path)
        if "M" in value and recorded and "M" in recorded:
            for name, leaf in value["M"].items():
                self.set(leaf, *path, name)
        else:
            self.set(value, *path)

    def with_texts(self, args: "Arguments", fields: Item) -> Item:
        """Fields of the step, and what is told with them as far as the item has room: the fields are what counts."""
        was, told = values.step_of(self.item, args["step"]), dict(fields)
        room = self.room() + sizes.of_item(
            {name: value for name, value in was.items() if name in (*fields, *_TEXTS)}
        )
        for name in _TEXTS:
            if name not in args:
                continue
            text = args[name] if isinstance(args[name], str) else values.text(args[name])
            fitting = sizes.fit(text, room - sizes.of_item(told) - sizes.of_text(name) - 1)
            if fitting != text and sizes.is_cut_of(values.text(was.get(name)), text):
                continue  # a call that is repeated
            if fitting or not text:
                told[name] = {"S": fitting}
        return told


TERMINAL = frozenset({"completed", "failed", "cancelled"})
ENDED = frozenset({"success", "error", "completed", "failed", "stopped"})
UNTOUCHED = frozenset({"", "pending"})
_TEXTS = ("error", "activity")
_STEP_STAMPS = ("startedAt", "completedAt", "lastUpdated")

Arguments = dict[str, Any]


def start_step(update: WorkflowUpdate, args: Arguments) -> str:
    status, was = values.overall(update.item), values.step_of(update.item, args["step"])
    if status in TERMINAL and not args["reopen"]:
        return f"the workflow is {status}"
    retried = _status(was) in ENDED
    fields: Item = {"status": {"S": "in-progress"}}
    if retried or was.get("startedAt") in (None, {"S": ""}, {"NULL": True}):
        fields["startedAt"] = {"S": values.stamp(update.now)}
    if retried and "M" in was.get("tokenUsage", {}):
        fields["tokenUsage"] = values.usage({})
    update.overall("processing")
    fields = update.with_texts(args, fields)
    update.step(args["step"], fields, ("completedAt", "duration", "error") if retried else ())
    return ""


def progress(update: WorkflowUpdate, args: Arguments) -> str:
    """Of a step that runs; one that was not started is."""
    status, was = values.overall(update.item), values.step_of(update.item, args["step"])
    if status in TERMINAL:
        return f"the workflow is {status}"
    if _status(was) in ENDED:
        return f"the step is {_status(was)}"
    fields: Item = {"status": {"S": "in-progress"}} if _status(was) in UNTOUCHED else {}
    if fields:
        fields["startedAt"] = {"S": values.stamp(update.now)}
        update.overall("processing")
    fields |= {"tokenUsage": args["tokenUsage"]} if "tokenUsage" in args else {}
    update.step(args["step"], update.with_texts(args, fields))
    return ""


def end_step(update: WorkflowUpdate, args: Arguments) -> str:
    was, status = values.step_of(update.item, args["step"]), args["status"]
    repeated = _status(was) == status
    fields: Item = {"status": {"S": status}}
    fields |= {name: args[name] for name in ("tokenUsage", "duration") if name in args}
    if not (repeated and "completedAt" in was):
        fields["completedAt"] = {"S": values.stamp(update.now)}
    if "duration" not in args and not repeated:
        since = values.seconds_since(was.get("startedAt"), update.now)
        fields |= {} if since is None else {"duration": values.seconds(since)}
    fields = update.with_texts(args, fields)
    if values.overall(update.item) not in TERMINAL:
        update.overall("processing")
    update.step(args["step"], fields, () if "error" in args else ("error",))
    return ""


def finalize(update: WorkflowUpdate, args: Arguments) -> str:
    was = values.overall(update.item)
    if was in TERMINAL and was != args["status"] and not args["force"]:
        return f"the workflow is {was}"
    update.overall(args["status"])
    update.totals()
    return ""


PLANS: dict[str, Callable[[WorkflowUpdate, Arguments], str]] = {
    "start_step": start_step,
    "progress": progress,
    "end_step": end_step,
    "finalize": finalize,
}


def superseded(item: Item, op: str, at: datetime, args: Arguments) -> str:
    """Why a record of that moment comes too late for the item, or "".

    A retry in the console counts in ``retryCount``, and makes all that was recorded before of another run.
    Else what is newer is told by stamps: those of the step where it has any, the item's where it has none.
    """
    if "retries" in args and retries_of(item) > args["retries"]:
        return "the workflow was retried since"
    # What is written has milliseconds: what was of the same one is not newer.
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    item_is_newer = _newer(item.get("lastUpdated"), at)
    if op == "finalize":
        steps = [values.mapping(value) for name, value in item.items() if name not in values.RESERVED]
        if any("status" in step and _newer(step.get("startedAt"), at) for step in steps):
            return "a step has been started since"
        status = values.overall(item)
        reset = status == "initializing" or (status in TERMINAL and args["force"])
        return f"the workflow is {status} since" if reset and item_is_newer else ""
    if values.overall(item) in TERMINAL and args.get("reopen") and item_is_newer:
        return f"the workflow is {values.overall(item)} since"
    step = values.step_of(item, args["step"])
    if _status(step) in UNTOUCHED:
        return ""
    stamped = any(values.moment(step.get(name)) for name in _STEP_STAMPS)
    ended = op == "end_step"
    if any(_newer(step.get(name), at) for name in _STEP_STAMPS) or (item_is_newer and not stamped):
        return f"the step is {_status(step)} since"
    # Of two starts of a step that runs, no stamp tells which is the newer; its text is no loss.
    return "the item has gone on since" if item_is_newer and not ended and _status(step) not in ENDED else ""


def retries_of(item: Item) -> int:
    count = values.decimal(item.get("retryCount"))
    return int(count) if count is not None and 0 <= count < 10**6 else 0


def _newer(stamp: Item | None, at: datetime) -> bool:
    found = values.moment(stamp)
    return found is not None and found > at


def _status(step: Item) -> str:
    return values.text(step.get("status")).lower()

"""What each record changes of a request's item, given the item as it is.

A worker may write as long as the request is in the status that it gave it, under the ``started_at`` that its
claim wrote: a cancel, a retry or another worker's claim changes one of the two. Both are conditions of every
write, so that nothing of theirs is undone.
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import sizes, values
from .update import Update
from .values import Item

TERMINAL = frozenset({"completed", "failed", "cancelled"})
# Stage -> the percentages between which it moves.
STAGES = {
    "initialization": (0, 5),
    "serp_discovery": (5, 25),
    "content_extraction": (25, 80),
    "aggregation": (80, 95),
    "completed": (95, 100),
}
_ENTRY = 200  # bytes, of an entry in the history, besides its message
COUNTS = ("urls_found", "content_extracted", "processing_errors")
_ZONED = re.compile(r"[Zz]$|[+-]\d\d:?\d\d$")

Arguments = dict[str, Any]


def naive(moment: datetime) -> str:
    """``2024-01-09T15:43:09.250000``: UTC, which the documented form does not say."""
    return values.utc(moment).replace(tzinfo=None).isoformat(timespec="microseconds")


def status_of(item: Item) -> str:
    """Compared without case, as other writers spell it as they like."""
    return values.text(item.get("status")).strip().lower()


class RequestUpdate(Update):
    stamp_name = "updated_at"

    def written(self, moment: datetime) -> str:
        """Naive, or with ``Z`` where the item's own stamps have a zone, so that string order stays true."""
        like = values.text(self.item.get("created_at")) or values.text(self.item.get("updated_at"))
        return f"{naive(moment)}Z" if _ZONED.search(like) else naive(moment)

    def members(self, fields: Item, name: str) -> None:
        """Set members of a map; what is there and is no map is replaced."""
        if "M" in self.item.get(name, {}):
            for member, value in fields.items():
                self.set(value, name, member)
        else:
            self.require_as_read(name)
            self.set({"M": fields}, name)

    def history(self, old: str, new: str, message: str, more: Item | None = None) -> None:
        """Append to ``processing_metadata.status_history``, and set ``more`` beside it."""
        entry: Item = {
            "timestamp": {"S": self.written(self.now)},
            "old_status": {"S": old},
            "new_status": {"S": new},
            "message": {"S": message},
        }
        if "M" in self.item.get("processing_metadata", {}):
            self.append({"M": entry}, "processing_metadata", "status_history")
            for name, value in (more or {}).items():
                self.set(value, "processing_metadata", name)
        else:
            self.members({"status_history": {"L": [{"M": entry}]}, **(more or {})}, "processing_metadata")


def not_mine(item: Item, args: Arguments) -> str:
    """Why the request is not this worker's any more, or ""."""
    status = status_of(item)
    if status != args["status"].lower():
        return f"the request is {status or 'without a status'}"
    if values.text(item.get("started_at")) != args["started_at"]:
        return "another worker has the request"
    return ""


def done_already(item: Item, op: str, at: datetime, args: Arguments) -> bool:
    """Whether the item holds what the record says: the answer was lost, or it is replayed once more."""
    if op == "status":
        entries = values.at(item, "processing_metadata", "status_history") or {}
        last = values.mapping((entries.get("L") or [{}])[-1])
        told = values.text(last.get("new_status")).lower() == args["new"]
        mine = values.text(item.get("started_at")) == args["started_at"]
        return told and mine and values.moment(last.get("timestamp")) == at and status_of(item) == args["new"]
    if op == "note":
        lines = [values.text(line) for line in item.get(args["list"], {}).get("L") or []]
        return any(line == args["line"] or sizes.is_cut_of(line, args["line"]) for line in lines)
    return False


def status(update: RequestUpdate, args: Arguments) -> str:
    """The status and its moment first: of the texts and results there is what the item still has room for."""
    moment: Item = {"S": update.written(update.now)}
    was = values.text(update.item.get("status"))
    update.set({"S": args["new"]}, "status")
    if args["new"] in TERMINAL:
        update.set(moment, "completed_at")
    if "progress" in args:
        update.members({**args["progress"], "last_updated": moment}, "progress")
    message = sizes.fit(args["message"], (update.room() - _ENTRY) // 2)
    if message or not args["message"]:
        update.set({"S": message}, "status_message")
        update.history(was, args["new"], message)
    if "error" in args and (line := sizes.fit(args["error"], update.room())):
        update.append({"S": line}, "errors")
    if "results" in args:
        _results(update, args["results"])
    if "left_out" in args:
        _warn(update, args["left_out"])
    return ""


def _results(update: RequestUpdate, results: Item) -> None:
    """Those that don't fit are left out, with a warning that says so: that it is completed must be told."""
    size = sizes.of(results)
    if size <= update.room():
        update.set(results, "results")
    else:
        _warn(update, f"results of {size:,} bytes left out, the item can't hold them")


def _warn(update: RequestUpdate, reason: str) -> None:
    if line := sizes.fit(f"{update.written(update.now)}: {reason}", update.room()):
        update.append({"S": line}, "warnings")


def progress(update: RequestUpdate, args: Arguments) -> str:
    recorded = values.at(update.item, "progress", "last_updated")
    if (since := values.moment(recorded)) and since > update.now:
        return "a newer progress is recorded"
    moment: Item = {"S": update.written(update.now)}
    update.members({**args["progress"], "last_updated": moment}, "progress")
    return ""


def note(update: RequestUpdate, args: Arguments) -> str:
    line = sizes.fit(args["line"], update.room())
    if not line:
        raise ValueError("the item is full")
    update.append({"S": line}, args["list"])
    return ""


PLANS: dict[str, Callable[[RequestUpdate, Arguments], str]] = {
    "status": status,
    "progress": progress,
    "note": note,
}


def claim(update: RequestUpdate, worker_id: str) -> str:
    """Take a request that waits. Returns why it can't be had, or ""."""
    if (is_ := status_of(update.item)) != "pending":
        return f"the request is {is_ or 'without a status'}"
    moment: Item = {"S": update.written(update.now)}
    update.require_as_read("status")
    update.require_as_read("started_at")
    update.set({"S": "processing"}, "status")
    update.set({"S": "Started processing"}, "status_message")
    update.set(moment, "started_at")
    was = values.text(update.item.get("status"))
    update.history(was, "processing", "Started processing", {"worker_id": {"S": worker_id}})
    return ""


def stage_of(stage: str) -> str:
    """ValueError for one that is not documented."""
    if stage not in STAGES:
        raise ValueError(f"{stage!r} is not one of {', '.join(STAGES)}")
    return stage


def percentage_of(stage: str, percentage: Decimal | None, share: Decimal | None) -> Decimal:
    """Where a request stands: given, or as a share (0 to 1) of its stage. ValueError outside of the stage."""
    low, high = STAGES[stage]
    if percentage is None:
        at = Decimal(0) if share is None else share
        if not 0 <= at <= 1:
            raise ValueError(f"a share of {at} is not between 0 and 1")
        return (low + (high - low) * at).quantize(Decimal("0.1"))
    if not low <= percentage <= high:
        raise ValueError(f"{percentage} % is outside of {stage}, which goes from {low} to {high} %")
    return percentage

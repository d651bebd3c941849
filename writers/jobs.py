"""One request in one worker's hands."""

import contextlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from . import arguments, sizes, trees, values
from .arguments import Arguments
from .request_plans import COUNTS, TERMINAL, naive, percentage_of, stage_of
from .results import Cancelled, RequestWriteError, Stopped, TakenAway, WriteResult
from .values import Item

if TYPE_CHECKING:
    from .requests import RequestWriter

MESSAGE_BYTES, ERROR_BYTES, STAGE_BYTES = 2_000, 32_000, 200


class Job:
    """A claimed request; ``with`` it, so that it ends whatever happens: at the end of the block it is
    completed unless the block has said how it ended, and failed where an exception leaves the block (which
    goes on; asyncio's CancelledError and KeyboardInterrupt too).

    A value that can't be written is left out, and said (docs/writers.md#what-you-pass): no argument fails the work.

    Each method raises `Cancelled` when an operator has cancelled the request, `TakenAway` when it is gone,
    finished or another worker's. Let it leave the block: the log gets a line, the request is left as it is.

    ``status``: as this worker has set it. ``item``: the request as it was claimed, plain; numbers are Decimal.
    """

    def __init__(self, writer: "RequestWriter", request_id: str, item: Item, started_at: str) -> None:
        self.writer, self.request_id, self.started_at = writer, request_id, started_at
        self.item: dict[str, Any] = values.plain({"M": item})
        self.status, self.stage = "processing", "initialization"
        self._counts: Item = {}

    @property
    def config(self) -> dict[str, Any]:
        """What was asked for; empty where that is not a map."""
        config = self.item.get("config")
        return config if isinstance(config, dict) else {}

    def progress(
        self,
        stage: str,
        percentage: Decimal | float | None = None,
        *,
        share: Decimal | float | None = None,
        urls_found: int | None = None,
        content_extracted: int | None = None,
        processing_errors: int | None = None,
        estimated_completion: datetime | None = None,
    ) -> WriteResult:
        """Where the work stands. ``percentage``: of the whole, within the bounds of the stage (`STAGES`), or
        ``share``: of the stage, 0 to 1. Call it as often as you like: in each ``progress_interval`` one is
        written, with the newest of what was said."""
        given = Arguments()
        counts = dict(zip(COUNTS, (urls_found, content_extracted, processing_errors), strict=True))
        known = given.take("stage", stage_of, trees.text_of(stage))

        def make(_: datetime) -> dict[str, Any]:
            said: Item = {}
            if known is not None:
                said["current_stage"] = {"S": known}
                named = {"percentage": percentage, "share": share}
                numbers = {
                    name: given.take(name, arguments.number, value)
                    for name, value in named.items()
                    if value is not None
                }
                if None not in numbers.values():
                    at = given.take(
                        "percentage", percentage_of, known, numbers.get("percentage"), numbers.get("share")
                    )
                    said |= {} if at is None else {"percentage": values.number(at)}
            for name, count in counts.items():
                taken = None if count is None else given.take(name, arguments.count, count)
                self._counts |= {} if taken is None else {name: values.number(taken)}
            if estimated_completion is not None:
                end = given.take("estimated_completion", arguments.moment, estimated_completion)
                said |= {} if end is None else {"estimated_completion": {"S": naive(end)}}
            if not said | self._counts:
                raise ValueError("; ".join(given.left_out))
            return self._fence() | {"progress": said | self._counts}

        result = self._answered(self.writer.record("progress", self.request_id, make, given))
        if result and known is not None:
            self.stage = known
        return result

    def executing(self, message: str = "Executing") -> WriteResult:
        """The request is executing: the status between processing and its end."""
        return self._become("executing", message, "Executing")

    def complete(self, results: Any = None, message: str = "Request completed") -> WriteResult:
        """The request is completed, at 100 %. ``results``: plain data; where the item can't hold them they are
        left out, and a warning in the item says so."""
        given = Arguments()

        def more() -> dict[str, Any]:
            last: Item = {"current_stage": {"S": "completed"}, "percentage": {"N": "100"}, **self._counts}
            said: dict[str, Any] = {"progress": last}
            if results is not None:
                found = given.tree("results", results)
                said |= {} if found is None else {"results": found}
            return said | ({"left_out": "; ".join(given.left_out)} if given.left_out else {})

        return self._become("completed", message, "Request completed", more, given)

    def fail(self, error: str | BaseException) -> WriteResult:
        """The request has failed; the error is appended to its ``errors``. What is too long is cut, and says
        so."""
        text = trees.text_of(error)
        return self._become("failed", text, "", lambda: {"error": sizes.cut(text, ERROR_BYTES)})

    def error(self, message: str) -> WriteResult:
        """Append to the request's ``errors``, and go on."""
        return self._note("errors", message)

    def warning(self, message: str) -> WriteResult:
        """Append to the request's ``warnings``."""
        return self._note("warnings", message)

    def log(
        self, level: str | int, message: Any, /, *, stage: str | None = None, **metadata: Any
    ) -> WriteResult:
        """A line of the request's log, written with others; at once when there is no room for more, when the
        status changes and at the end. ``level``: a name, or a number of `logging`. ``stage``: the one of the
        last progress unless given."""
        if self.writer.logs is None:
            return WriteResult("refused", "there is no table of logs")
        where = self.stage if stage is None else arguments.text(stage, STAGE_BYTES) or self.stage
        return self.writer.logs.add(self.request_id, level, message, where, metadata)

    def check(self) -> None:
        """Raise `Cancelled` or `TakenAway` when that is so (consistent read). Ask before what is expensive."""
        self._answered(self.writer.is_cancelled(self.request_id, self._fence()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        try:
            if isinstance(error, Stopped):
                self.log("WARNING", f"Stopped: {trees.text_of(error.reason)}")
            elif self.status not in TERMINAL:
                if error is None:
                    self.complete()
                else:
                    self.fail(error)
        except Stopped as stopped:
            self.log("WARNING", f"Stopped: {stopped.reason}")
            if error is None:
                raise
        finally:
            if self.writer.logs is not None:
                self.writer.logs.settle(self.request_id)
        return False

    def _become(
        self,
        new: str,
        message: Any,
        default: str,
        more: Callable[[], dict[str, Any]] | None = None,
        given: Arguments | None = None,
    ) -> WriteResult:
        text = default if message is None else arguments.text(message, MESSAGE_BYTES)

        def make(at: datetime) -> dict[str, Any]:
            said = more() if more else {}
            if "error" in said:
                said["error"] = f"{naive(at)}: {said['error']}"
            return self._fence() | {"new": new, "message": text} | said

        result = self._answered(self.writer.record("status", self.request_id, make, given))
        if result:
            self.status = new
            self.stage = "completed" if new == "completed" else self.stage
            with contextlib.suppress(RequestWriteError):  # it is logged, and the status is what counts
                self.log("ERROR" if new == "failed" else "INFO", text)
            if self.writer.logs is not None and new in TERMINAL:
                self.writer.logs.settle(self.request_id)
        return result

    def _note(self, list_: str, message: Any) -> WriteResult:
        def make(at: datetime) -> dict[str, Any]:
            line = f"{naive(at)}: {arguments.text(message, ERROR_BYTES)}"
            return self._fence() | {"list": list_, "line": line}

        return self._answered(self.writer.record("note", self.request_id, make))

    def _fence(self) -> dict[str, Any]:
        return {"status": self.status, "started_at": self.started_at}

    def _answered(self, result: WriteResult) -> WriteResult:
        if result.outcome == "refused":
            raise (Cancelled if result.cancelled else TakenAway)(result.reason)
        return result

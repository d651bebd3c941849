"""One request in one worker's hands."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from . import values
from .request_plans import COUNTS, TERMINAL, naive, percentage_of
from .results import Cancelled, RequestWriteError, Stopped, TakenAway, WriteResult
from .values import Item

if TYPE_CHECKING:
    from .requests import RequestWriter

MESSAGE_BYTES, ERROR_BYTES = 2_000, 32_000


class Job:
    """A claimed request; ``with`` it, so that it ends whatever happens: at the end of the block it is
    completed unless the block has said how it ended, and failed where an exception leaves the block (which
    goes on; asyncio's CancelledError and KeyboardInterrupt too).

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
        counts = dict(zip(COUNTS, (urls_found, content_extracted, processing_errors), strict=True))

        def make(_: datetime) -> dict[str, Any]:
            at = percentage_of(stage, percentage, share)
            said: Item = {"current_stage": {"S": stage}, "percentage": values.number(at)}
            self._counts |= {name: values.typed(count) for name, count in counts.items() if count is not None}
            if estimated_completion is not None:
                said["estimated_completion"] = {"S": naive(estimated_completion)}
            return self._fence() | {"progress": said | self._counts}

        result = self._answered(self.writer.record("progress", self.request_id, make))
        if result:
            self.stage = stage
        return result

    def executing(self, message: str = "Executing") -> WriteResult:
        """The request is executing: the status between processing and its end."""
        return self._become("executing", message)

    def complete(
        self, results: Mapping[str, Any] | None = None, message: str = "Request completed"
    ) -> WriteResult:
        """The request is completed, at 100 %. ``results``: plain data; where the item can't hold them they are
        left out, and a warning in the item says so."""

        def more() -> dict[str, Any]:
            last: Item = {"current_stage": {"S": "completed"}, "percentage": {"N": "100"}, **self._counts}
            return {"progress": last} | ({} if results is None else {"results": values.typed(results)})

        return self._become("completed", message, more)

    def fail(self, error: str | BaseException) -> WriteResult:
        """The request has failed; the error is appended to its ``errors``. What is too long is cut, and says
        so."""
        text = error if isinstance(error, str) else _told(error)
        return self._become("failed", text, lambda: {"error": values.cut(text, ERROR_BYTES)})

    def error(self, message: str) -> WriteResult:
        """Append to the request's ``errors``, and go on."""
        return self._note("errors", message)

    def warning(self, message: str) -> WriteResult:
        """Append to the request's ``warnings``."""
        return self._note("warnings", message)

    def log(self, level: str, message: str, /, *, stage: str | None = None, **metadata: Any) -> WriteResult:
        """A line of the request's log, written with others; at once when there is no room for more, when the
        status changes and at the end. ``stage``: the one of the last progress unless given."""
        if self.writer.logs is None:
            return WriteResult("refused", "there is no table of logs")
        return self.writer.logs.add(self.request_id, level, message, stage or self.stage, metadata)

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
                self.log("WARNING", f"Stopped: {error.reason}")
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
        self, new: str, message: str, more: Callable[[], dict[str, Any]] | None = None
    ) -> WriteResult:
        text = values.cut(message, MESSAGE_BYTES)

        def make(at: datetime) -> dict[str, Any]:
            said = more() if more else {}
            if "error" in said:
                said["error"] = f"{naive(at)}: {said['error']}"
            return self._fence() | {"new": new, "message": text} | said

        result = self._answered(self.writer.record("status", self.request_id, make))
        if result:
            self.status = new
            self.stage = "completed" if new == "completed" else self.stage
            with contextlib.suppress(RequestWriteError):  # it is logged, and the status is what counts
                self.log("ERROR" if new == "failed" else "INFO", text)
            if self.writer.logs is not None and new in TERMINAL:
                self.writer.logs.settle(self.request_id)
        return result

    def _note(self, list_: str, message: str) -> WriteResult:
        def make(at: datetime) -> dict[str, Any]:
            line = f"{naive(at)}: {values.cut(message, ERROR_BYTES)}"
            return self._fence() | {"list": list_, "line": line}

        return self._answered(self.writer.record("note", self.request_id, make))

    def _fence(self) -> dict[str, Any]:
        return {"status": self.status, "started_at": self.started_at}

    def _answered(self, result: WriteResult) -> WriteResult:
        if result.outcome == "refused":
            raise (Cancelled if result.cancelled else TakenAway)(result.reason)
        return result


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

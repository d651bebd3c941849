"""Blocks that record a workflow and its steps: started at the start, ended at the end, however that comes."""

import logging
import time
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from . import arguments, trees, values
from .arguments import Arguments
from .results import Cancelled, Stopped, TakenAway, WriteResult

if TYPE_CHECKING:
    from .workflows import StatusWriter

logger = logging.getLogger("tracking.writer")


class RunningStep:
    """``with writer.step(...) as step``.

    The block is not entered when the workflow is finished already: `Cancelled` is raised, or `TakenAway`.
    Its duration is measured by the monotonic clock. An exception that leaves the block (asyncio's
    CancelledError and KeyboardInterrupt too) becomes the step's error; `Stopped` makes it ``stopped``.

    ``activity``: what the step says at the end; set it to change it.
    """

    def __init__(
        self, writer: "StatusWriter", session_id: str, name: str, activity: str, reopen: bool = False
    ) -> None:
        self.writer, self.session_id, self.name, self.activity = writer, session_id, name, activity
        self._reopen, self._began = reopen, 0.0
        self._tokens: dict[str, Decimal] = {}

    def progress(self, activity: str, tokens: Mapping[str, Any] | None = None) -> WriteResult:
        """As `StatusWriter.progress`, with the tokens so far. Raises Cancelled where that is found out."""
        self.activity = activity
        said = tokens if tokens is not None else self._tokens or None
        result = self.writer.progress(self.session_id, self.name, activity, said)
        if result.cancelled:
            raise Cancelled("the workflow is cancelled")
        return result

    def add_tokens(
        self, input_tokens: int | None = 0, output_tokens: int | None = 0, total_tokens: int | None = None
    ) -> None:
        """Count what one call of a model has used; None is nothing. ``total_tokens``: unless it is the sum of
        both."""
        given = Arguments()
        used = {"inputTokens": input_tokens, "outputTokens": output_tokens, "totalTokens": total_tokens}
        for name, count in (given.tokens("tokens", used) or {}).items():
            self._tokens[name] = values.EXACT.add(self._tokens.get(name, Decimal(0)), count)
        self.writer.say_left_out("add_tokens", self.session_id, given)

    def check(self) -> None:
        """Raise Cancelled if the workflow was cancelled (consistent read). Ask before what is expensive."""
        if self.writer.is_cancelled(self.session_id):
            raise Cancelled("the workflow is cancelled")

    def __enter__(self) -> Self:
        result = self.writer.start_step(self.session_id, self.name, self.activity, reopen=self._reopen)
        if result.outcome == "refused":
            raise (Cancelled if result.cancelled else TakenAway)(result.reason)
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        seconds = Decimal(str(round(time.monotonic() - self._began, 3)))
        facts: dict[str, Any] = {"tokens": self._tokens or None, "duration": seconds}
        if error is None:
            self.writer.finish_step(self.session_id, self.name, self.activity, **facts)
        elif isinstance(error, Stopped):
            self.writer.stop_step(
                self.session_id, self.name, f"Stopped: {trees.text_of(error.reason)}", **facts
            )
        else:
            self.writer.fail_step(self.session_id, self.name, error, **facts)
        return False


class RunningWorkflow:
    """``with writer.workflow(...) as workflow``; its steps are ``with workflow.step(...)``."""

    def __init__(self, writer: "StatusWriter", session_id: str, facts: dict[str, str]) -> None:
        self.writer, self.session_id, self._facts = writer, session_id, facts

    def step(self, name: str, activity: str, *, reopen: bool = False) -> RunningStep:
        """As `StatusWriter.step`, of this workflow."""
        return RunningStep(self.writer, self.session_id, name, activity, reopen)

    def __enter__(self) -> Self:
        self.writer.initialize(self.session_id, **self._facts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if isinstance(error, Stopped):
            reason = trees.text_of(error.reason)
            logger.info("[%r] the workflow was stopped: %s", arguments.id_of(self.session_id), reason)
        else:
            self.writer.finalize(self.session_id, "completed" if error is None else "failed")
        return False

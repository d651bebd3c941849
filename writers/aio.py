"""The writers for asyncio: each call runs in a thread, calls about one item in the order they were made."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar

from .arguments import Arguments, id_of
from .jobs import Job
from .requests import RequestWriter
from .results import WriteResult
from .steps import RunningStep, RunningWorkflow
from .workflows import StatusWriter

Answer = TypeVar("Answer")
Writer = TypeVar("Writer", StatusWriter, RequestWriter)
Parameters = ParamSpec("Parameters")


class InOrder:
    """Runs calls in threads; those about one item one after the other.

    A call that was made is carried out even where the task that waits for it is cancelled: a step that ends
    by a cancel has to say so.
    """

    def __init__(self, threads: int = 8) -> None:
        count = Arguments().setting("threads", threads, 8, 1, 1_000)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="writers")
        self._last: dict[str, asyncio.Task[Any]] = {}

    async def run(self, item: str, call: Callable[[], Answer]) -> Answer:
        """The call's answer, or what it raises."""
        item = id_of(item)
        before, loop = self._last.get(item), asyncio.get_running_loop()

        async def in_turn() -> Answer:
            if before is not None:
                await asyncio.wait([before])
            return await loop.run_in_executor(self._pool, call)

        task = loop.create_task(in_turn())
        self._last[item] = task
        task.add_done_callback(partial(self._forget, item))
        return await asyncio.shield(task)

    def _forget(self, item: str, task: "asyncio.Task[Any]") -> None:
        if self._last.get(item) is task:
            del self._last[item]
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; nobody has where that task was cancelled

    async def close(self, last: Callable[[], Answer]) -> Answer:
        """Wait for the calls that were made, then for this one, and end the threads."""
        while self._last:
            await asyncio.wait(list(self._last.values()))
        answer = await asyncio.get_running_loop().run_in_executor(self._pool, last)
        self._pool.shutdown(wait=False)
        return answer


class _AsyncWriter(Generic[Writer]):
    """A writer whose calls run in threads."""

    def __init__(self, writer: Writer, threads: int = 8) -> None:
        self.writer: Writer = writer
        self.in_order = InOrder(threads)

    async def close(self, timeout: float = 10.0) -> bool:
        """As the writer's `close`, after every call that was made."""
        return await self.in_order.close(partial(self.writer.close, timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _of_session(
    method: Callable[Concatenate[StatusWriter, str, Parameters], Answer],
) -> Callable[Concatenate[_AsyncWriter[StatusWriter], str, Parameters], Awaitable[Answer]]:
    @functools.wraps(method)
    async def awaited(
        self: _AsyncWriter[StatusWriter],
        session_id: str,
        /,
        *args: Parameters.args,
        **named: Parameters.kwargs,
    ) -> Answer:
        return await self.in_order.run(session_id, partial(method, self.writer, session_id, *args, **named))

    return awaited


class AsyncStatusWriter(_AsyncWriter[StatusWriter]):
    """`StatusWriter` for asyncio; the same methods, awaited, and blocks by ``async with``.

    ``threads``: how many calls run at once. Use it in one event loop; the writer inside may be shared.
    """

    initialize = _of_session(StatusWriter.initialize)
    start_step = _of_session(StatusWriter.start_step)
    progress = _of_session(StatusWriter.progress)
    finish_step = _of_session(StatusWriter.finish_step)
    fail_step = _of_session(StatusWriter.fail_step)
    stop_step = _of_session(StatusWriter.stop_step)
    finalize = _of_session(StatusWriter.finalize)
    is_cancelled = _of_session(StatusWriter.is_cancelled)

    def workflow(
        self, session_id: str, *, correlation_id: str, document_id: str, source_type: str
    ) -> "AsyncWorkflow":
        """As `StatusWriter.workflow`."""
        facts = {"correlation_id": correlation_id, "document_id": document_id, "source_type": source_type}
        return AsyncWorkflow(self.in_order, RunningWorkflow(self.writer, session_id, facts))

    def step(self, session_id: str, step: str, activity: str, *, reopen: bool = False) -> "AsyncStep":
        """As `StatusWriter.step`."""
        return AsyncStep(self.in_order, RunningStep(self.writer, session_id, step, activity, reopen))


class _Block:
    """A block of a writer, entered and left in a thread, in its item's order."""

    def __init__(self, in_order: InOrder, item: str, block: Any) -> None:
        self._in_order, self._item, self._block = in_order, item, block
        self._entered = False

    async def _run(self, call: Callable[[], Answer]) -> Answer:
        return await self._in_order.run(self._item, call)

    async def __aenter__(self) -> Self:
        try:
            await self._run(self._enter)
        except asyncio.CancelledError as error:
            # The call goes on in its thread, and no other code will end what it begins.
            await self._run(partial(self._leave, type(error), error, None))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        await self._run(partial(self._leave, kind, error, trace))
        return False

    def _enter(self) -> None:
        self._block.__enter__()
        self._entered = True

    def _leave(self, *how: Any) -> None:
        if self._entered:
            self._block.__exit__(*how)


class AsyncStep(_Block):
    """`RunningStep` for asyncio. A task that is cancelled inside of the block leaves a failed step."""

    def __init__(self, in_order: InOrder, step: RunningStep) -> None:
        super().__init__(in_order, step.session_id, step)
        self.step = step

    async def progress(self, activity: str, tokens: Any = None) -> WriteResult:
        return await self._run(partial(self.step.progress, activity, tokens))

    async def check(self) -> None:
        await self._run(self.step.check)

    def add_tokens(
        self, input_tokens: int | None = 0, output_tokens: int | None = 0, total_tokens: int | None = None
    ) -> None:
        self.step.add_tokens(input_tokens, output_tokens, total_tokens)


class AsyncWorkflow(_Block):
    """`RunningWorkflow` for asyncio."""

    def __init__(self, in_order: InOrder, workflow: RunningWorkflow) -> None:
        super().__init__(in_order, workflow.session_id, workflow)
        self.workflow = workflow

    def step(self, name: str, activity: str, *, reopen: bool = False) -> AsyncStep:
        return AsyncStep(self._in_order, self.workflow.step(name, activity, reopen=reopen))


def _of_job(
    method: Callable[Concatenate[Job, Parameters], Answer],
) -> Callable[Concatenate["AsyncJob", Parameters], Awaitable[Answer]]:
    @functools.wraps(method)
    async def awaited(self: "AsyncJob", /, *args: Parameters.args, **named: Parameters.kwargs) -> Answer:
        return await self._run(partial(method, self.job, *args, **named))

    return awaited


class AsyncJob(_Block):
    """`Job` for asyncio; the same methods, awaited. The job itself is ``job``."""

    def __init__(self, in_order: InOrder, job: Job) -> None:
        super().__init__(in_order, job.request_id, job)
        self.job = job

    progress = _of_job(Job.progress)
    executing = _of_job(Job.executing)
    complete = _of_job(Job.complete)
    fail = _of_job(Job.fail)
    error = _of_job(Job.error)
    warning = _of_job(Job.warning)
    log = _of_job(Job.log)
    check = _of_job(Job.check)


def _fail_all(jobs: list[Job], error: BaseException) -> None:
    for job in jobs:
        job.fail(error)


class AsyncRequestWriter(_AsyncWriter[RequestWriter]):
    """`RequestWriter` for asyncio."""

    async def pending(self, limit: int = 10, strategy: str | None = "table") -> list[str]:
        """As `RequestWriter.pending`."""
        return await self.in_order.run("", partial(self.writer.pending, limit, strategy))

    async def claim(self, request_id: str) -> AsyncJob | None:
        """As `RequestWriter.claim`. Where the task is cancelled meanwhile, what it claimed has failed."""
        claimed: list[Job] = []

        def claim() -> None:
            if job := self.writer.claim(request_id):
                claimed.append(job)

        try:
            await self.in_order.run(request_id, claim)
        except asyncio.CancelledError as error:
            await self.in_order.run(request_id, partial(_fail_all, claimed, error))
            raise
        return AsyncJob(self.in_order, claimed[0]) if claimed else None

"""The writers for asyncio: each call runs in a thread, calls about one item in the order they were made."""

import asyncio
import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar

from . import forks
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

    A call is made where it is written, and is carried out then: even where nobody awaits it, the task that does is
    cancelled, or its loop ends, for a step that ends by a cancel has to say so. A program that ends waits for it.
    """

    def __init__(self, threads: int = 8) -> None:
        self._threads = Arguments().setting("threads", threads, 8, 1, 1_000)
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """The calls are the parent's, and so are the threads."""
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="writers")
        self._changed = threading.Condition()
        self._waiting: dict[
            str, deque[Callable[[], None]]
        ] = {}  # by item: the call that runs, and those behind it

    def run(self, item: str, call: Callable[[], Answer]) -> Coroutine[Any, Any, Answer]:
        """Make the call; await the answer, or what the call raises."""
        item, done = id_of(item), Future[Answer]()
        with self._changed:
            waiting = self._waiting.setdefault(item, deque())
            waiting.append(partial(_carry_out, done, call))
            if len(waiting) == 1:
                self._pool.submit(self._next, item)
        return _answer(done)

    def close(self, last: Callable[[], Answer]) -> Coroutine[Any, Any, Answer]:
        """Wait for the calls that were made, then for this one, and end the threads."""
        done: Future[Answer] = Future()

        def end() -> None:
            with self._changed:
                self._changed.wait_for(lambda: not self._waiting)
            _carry_out(done, last)
            self._pool.shutdown(wait=False)

        threading.Thread(target=end, name="writers-close").start()
        return _answer(done)

    def _next(self, item: str) -> None:
        """Carry out the first call that waits about an item, and see to the next."""
        while True:
            self._waiting[item][0]()
            with self._changed:
                self._waiting[item].popleft()
                if not self._waiting[item]:
                    del self._waiting[item]
                    self._changed.notify_all()
                    return
            with contextlib.suppress(RuntimeError):  # the program ends, and this is one of its last threads
                self._pool.submit(self._next, item)
                return


def _carry_out(done: "Future[Answer]", call: Callable[[], Answer]) -> None:
    try:
        done.set_result(call())
    except BaseException as error:
        done.set_exception(error)


async def _answer(done: "Future[Answer]") -> Answer:
    """Unlike asyncio's own wrapping it never cancels the call, and a loop that has ended is no error of it."""
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(answered.set)

    done.add_done_callback(wake)
    await answered.wait()
    return done.result()


class _AsyncWriter(Generic[Writer]):
    """A writer whose calls run in threads."""

    def __init__(self, writer: Writer, threads: int = 8) -> None:
        self.writer: Writer = writer
        self.in_order = InOrder(threads)

    def close(self, timeout: float = 10.0) -> Coroutine[Any, Any, bool]:
        """As the writer's `close`, after every call that was made."""
        return self.in_order.close(partial(self.writer.close, timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _of_session(
    method: Callable[Concatenate[StatusWriter, str, Parameters], Answer],
) -> Callable[Concatenate[_AsyncWriter[StatusWriter], str, Parameters], Coroutine[Any, Any, Answer]]:
    @functools.wraps(method)
    def made(
        self: _AsyncWriter[StatusWriter],
        session_id: str,
        /,
        *args: Parameters.args,
        **named: Parameters.kwargs,
    ) -> Coroutine[Any, Any, Answer]:
        return self.in_order.run(session_id, partial(method, self.writer, session_id, *args, **named))

    return made


class AsyncStatusWriter(_AsyncWriter[StatusWriter]):
    """`StatusWriter` for asyncio; the same methods, awaited, and blocks by ``async with``.

    ``threads``: how many calls run at once.
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

    def _run(self, call: Callable[[], Answer]) -> Coroutine[Any, Any, Answer]:
        return self._in_order.run(self._item, call)

    async def __aenter__(self) -> Self:
        try:
            await self._run(self._enter)
        except (asyncio.CancelledError, GeneratorExit) as error:
            # The call goes on in its thread, and no other code will end what it begins.
            await _unless_closed(error, self._run(partial(self._leave, type(error), error, None)))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        await _unless_closed(error, self._run(partial(self._leave, kind, error, trace)))
        return False

    def _enter(self) -> None:
        self._block.__enter__()
        self._entered = True

    def _leave(self, *how: Any) -> None:
        if self._entered:
            self._block.__exit__(*how)


async def _unless_closed(error: BaseException | None, answer: Coroutine[Any, Any, object]) -> None:
    """Await an answer, unless the loop was closed under the task, where nothing can be awaited any more."""
    if isinstance(error, GeneratorExit):
        answer.close()
    else:
        await answer


class AsyncStep(_Block):
    """`RunningStep` for asyncio. A task that is cancelled inside of the block leaves a failed step."""

    def __init__(self, in_order: InOrder, step: RunningStep) -> None:
        super().__init__(in_order, step.session_id, step)
        self.step = step

    def progress(self, activity: str, tokens: Any = None) -> Coroutine[Any, Any, WriteResult]:
        return self._run(partial(self.step.progress, activity, tokens))

    def check(self) -> Coroutine[Any, Any, None]:
        return self._run(self.step.check)

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
) -> Callable[Concatenate["AsyncJob", Parameters], Coroutine[Any, Any, Answer]]:
    @functools.wraps(method)
    def made(
        self: "AsyncJob", /, *args: Parameters.args, **named: Parameters.kwargs
    ) -> Coroutine[Any, Any, Answer]:
        return self._run(partial(method, self.job, *args, **named))

    return made


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
        except (asyncio.CancelledError, GeneratorExit) as error:
            failed = self.in_order.run(request_id, partial(_fail_all, claimed, error))
            await _unless_closed(error, failed)
            raise
        return AsyncJob(self.in_order, claimed[0]) if claimed else None

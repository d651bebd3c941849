"""What tests of the writers share: a clock, and a client that a test can take away."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError, EndpointConnectionError

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """What `work` returns, called in a thread of its own: after a test with a browser, this one has an event loop
    that runs."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def looped(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, in an event loop of its own."""
    return apart(lambda: asyncio.run(work))


START = datetime(2025, 12, 24, 10, 0, tzinfo=UTC)


class Clock:
    """Starts at 10:00:00 and moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "UpdateItem")


class Line:
    """A client whose line to the engine a test can cut: `down` is what each call raises.

    ``loses``: of so many calls that write, the answer is lost after they are carried out. ``calls``: the
    operations that were asked for.
    """

    def __init__(self, client: Any) -> None:
        self.client, self.exceptions, self.meta = client, client.exceptions, client.meta
        self._endpoint = client._endpoint
        self.down: Exception | None = None
        self.loses = 0
        self.calls: list[str] = []

    def cut(self) -> None:
        self.down = EndpointConnectionError(endpoint_url="http://engine")

    def fix(self) -> None:
        self.down = None

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            if self.down is not None:
                raise self.down
            answer = real(**arguments)
            if self.loses and name in ("update_item", "put_item", "batch_write_item"):
                self.loses -= 1
                raise EndpointConnectionError(endpoint_url="http://engine")
            return answer

        return call

    @property
    def writes(self) -> int:
        return sum(name in ("update_item", "put_item", "batch_write_item") for name in self.calls)


class Heard:
    """What ``on_trouble`` was told."""

    def __init__(self) -> None:
        self.troubles: list[Any] = []
        self.threads: set[str] = set()

    def __call__(self, trouble: Any) -> None:
        self.troubles.append(trouble)
        self.threads.add(threading.current_thread().name)

    @property
    def kinds(self) -> list[str]:
        return [trouble.kind for trouble in self.troubles]

"""The queue of the `sqs` workers, and the proxy before the engine."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.operations.conftest import proxied, proxy_server
from tests.queues import Queue

__all__ = ["proxied", "proxy_server", "requests_queue"]


@pytest.fixture
def requests_queue(
    engines: Callable[[str], Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Queue:
    """The queue, empty, as the settings name it."""
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    queue = Queue(endpoint, f"requests-{abs(hash(request.node.nodeid))}")
    settings.REQUESTS_QUEUE_URL = queue.url
    return queue

"""A queue of commands to the orchestrators, and the proxy before the engine."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.operations.conftest import proxied, proxy_server
from tests.queues import Queue

__all__ = ["commands", "proxied", "proxy_server"]


@pytest.fixture
def commands(
    engines: Callable[[str], Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Queue:
    """The command queue, empty, as the settings name it."""
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    queue = Queue(endpoint, f"commands-{abs(hash(request.node.nodeid))}")
    settings.WORKFLOW_COMMANDS_QUEUE_URL = queue.url
    return queue

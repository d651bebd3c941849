"""A queue of commands to the orchestrators."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.queues import Queue


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

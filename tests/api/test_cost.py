"""What a program's call does again each time, and what is kept from the call before."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolvers
from prometheus_client.metrics import MetricWrapperBase

from opsportal.dynamo import clients, deadlines
from opsportal.telemetry import calls
from tests.factories import put, workflow

pytestmark = pytest.mark.no_moto
STATUS = "/api/workflow/session-1/status"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], list[str]]:
    """``counted(owner, name)``: a list to which each call of that function is added."""

    def count(owner: Any, name: str) -> list[str]:
        found: list[str] = []
        call = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, **kwargs: (found.append(name), call(*args, **kwargs))[1]
        )
        return found

    return count


def test_a_second_call_asks_one_thing_of_each_store(tables: Any, client_for: Any, counted: Any) -> None:
    put(tables["workflows"], workflow("session-1"))
    client = client_for("viewer")
    calls.watch()
    assert client.get(STATUS).status_code == 200
    found = {
        "labels": counted(MetricWrapperBase, "labels"),
        "sendall": counted(deadlines.BoundedSocket, "sendall"),
        "match": counted(resolvers.RoutePattern, "match"),
        "bind": counted(clients, "_make"),
    }
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(STATUS)
    assert answer.status_code == 200
    assert len(queries) == 1  # the version of whoever asks, with the session
    # One call of DynamoDB, head and body of it in one piece; and the address is found before all others.
    assert {name: len(times) for name, times in found.items()} == {
        "labels": 0,
        "sendall": 1,
        "match": 4,
        "bind": 0,
    }


def test_a_call_passes_by_what_only_pages_need(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    api, reference, page = (client.get(path) for path in (STATUS, "/api/docs", "/workflows/"))
    assert [hasattr(answer.wsgi_request, "_messages") for answer in (api, reference, page)] == [
        False,
        True,
        True,
    ]
    assert [hasattr(answer.wsgi_request, "htmx") for answer in (api, reference, page)] == [False, True, True]
    assert set(api.headers) == set(page.headers)
    for name in ("Content-Security-Policy", "X-Frame-Options", "Cache-Control", "Referrer-Policy"):
        assert api[name] == page[name]


def test_the_user_agent_names_the_console_and_is_made_once() -> None:
    agent = clients.client("eu-north-1", "http://127.0.0.1:9").meta.config.user_agent
    assert agent.startswith("Botocore/")
    assert agent.endswith(" opsportal")


def test_no_cache_has_a_connection_to_close() -> None:
    """So the web server closes none at the end of a request (`opsportal.wsgi`)."""
    assert all(type(caches[name]).close is BaseCache.close for name in settings.CACHES)

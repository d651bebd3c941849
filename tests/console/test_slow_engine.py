"""An engine whose answers come a little at a time: pages are given up in time, and actions say what is true."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.console.test_false_answers import (
    ACTIONS,
    FORMS,
    TRANSACTION,
    acting,
    addresses,
    done,
    forget,
    put_items,
    words,
)
from tests.engines import Engine
from tests.operations.places import trail
from tests.operations.proxy import Proxy, dripping, passes

__all__ = ["acting"]
pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

# Seconds that a page or an action takes at most: what it is given, and as much as a slow machine may need beside.
MAX_PAGE, MAX_ACTION = 15, 18


@pytest.fixture
def slow(tables: dict[str, Any], engine: Engine, proxied: Proxy) -> Proxy:
    put_items(tables)
    proxied.interfere = dripping(0.5)
    return proxied


def given_up(slow: Proxy, client: Client, path: str) -> str:
    """What the page says, which has to come in time; "" where DynamoDB has no part in it."""
    slow.asked.clear()
    forget()
    began = time.monotonic()
    answer = client.get(path)
    said = words(answer)
    assert time.monotonic() - began < MAX_PAGE, path
    if not slow.asked:
        return ""
    inside = path.startswith(("/panels/", "/tables/")) or path in FORMS
    assert answer.status_code == (200 if inside else 503), path
    return said


@pytest.mark.parametrize(
    "path", ["/requests/", "/workflows/x~2Fhealthz/", "/api/workflow/x~2Fhealthz/status", "/panels/requests/"]
)
def test_a_page_is_given_up(slow: Proxy, client_for: Any, settings: Any, path: str) -> None:
    """An answer would take twenty seconds."""
    client = client_for("viewer")
    slow.interfere = passes
    assert client.get(path).status_code == 200  # what a process loads once is not counted
    slow.interfere = dripping(0.5)
    settings.DYNAMO_READ_TIMEOUT, settings.DYNAMO_REQUEST_DEADLINE = 0.3, 1.0
    said = given_up(slow, client, path)
    assert "DynamoDB is too slow right now" in said


@pytest.fixture
def as_by_default(settings: Any) -> None:
    """The times of an installation; those of the tests are longer."""
    settings.DYNAMO_CONNECT_TIMEOUT, settings.DYNAMO_READ_TIMEOUT = 1.0, 1.5
    settings.DYNAMO_REQUEST_DEADLINE = 5.0


@pytest.mark.long
def test_every_page_is_given_up(slow: Proxy, client_for: Any, as_by_default: None) -> None:
    client = client_for("administrator")
    client.raise_request_exception = False
    assert sum(bool(given_up(slow, client, path)) for path in addresses()) > 40


@pytest.mark.parametrize("name", ["cancel", "API: register"])
def test_an_action_says_what_is_true(acting: Any, proxied: Proxy, settings: Any, name: str) -> None:
    settings.DYNAMO_READ_TIMEOUT, settings.DYNAMO_REQUEST_DEADLINE = 0.3, 1.0
    check_action(acting, proxied, name)


@pytest.mark.long
@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_says_what_is_true(acting: Any, proxied: Proxy, as_by_default: None, name: str) -> None:
    check_action(acting, proxied, name)


def check_action(acting: Any, proxied: Proxy, name: str) -> None:
    send: Callable[[], Any]
    send, table = acting(name)
    entries = len(trail(table))
    proxied.interfere = dripping(0.5)
    began = time.monotonic()
    assert send().status_code == 503
    assert time.monotonic() - began < MAX_PAGE
    assert len(trail(table)) == entries
    # The engine does what it was asked for; its answer to that alone drips.
    proxied.interfere = dripping(0.5, of={TRANSACTION})
    began = time.monotonic()
    assert done(send())
    assert time.monotonic() - began < MAX_ACTION
    assert len(trail(table)) == entries + 1

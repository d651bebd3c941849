"""Run in a console's checkout, with its settings: accounts for the benchmark, and the calls of its pages.

    python .../benchmarks/inside.py accounts 50      cookies and a token, as JSON
    python .../benchmarks/inside.py calls            calls, units and waves of pages, as JSON

Knows of the console its addresses, its roles and its tokens alone, so that it runs with older checkouts.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

sys.path[:1] = [os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import django

django.setup()

from botocore.client import BaseClient
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from opsportal.accounts import tokens
from opsportal.accounts.roles import create_user

NAME, HOST = "bench-01", "127.0.0.1"
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Seconds that each call takes longer: so it is seen which ones wait for one another, on a busy machine too.
AWAY = 0.03
PAGES = {
    "requests": "/requests/?status=completed",
    "workflows": "/workflows/?status=completed",
    "requests-all": "/requests/",
    "workflows-all": "/workflows/",
    "text": "/requests/?q=no-such-text&range=all",
}


def signed_in(user: User) -> Client:
    client = Client(headers={"host": HOST})
    client.force_login(user, backend=BACKEND)
    return client


def accounts(count: int) -> dict[str, Any]:
    """Viewers, each with a session, and the first one's token."""
    first = create_user(NAME, "viewer", "only for this run")
    _, token = tokens.make("bench", ["workflows:read"], made_by=first, days=1, owner=first)
    users = [first]
    for number in range(2, count + 1):
        user = User.objects.create(username=f"bench-{number:02}", is_staff=True, password=first.password)
        user.groups.set(first.groups.all())
        users.append(user)
    cookies = []
    for user in users:
        jar = signed_in(user).cookies
        cookies.append("; ".join(f"{name}={jar[name].value}" for name in jar))
    return {"cookies": cookies, "token": token}


@contextmanager
def counted() -> Iterator[list[tuple[float, float, float]]]:
    """(begin, end, read units) of each call within the block, from whatever thread."""
    made: list[tuple[float, float, float]] = []
    lock, patched = threading.Lock(), cast("Any", BaseClient)
    call = patched._make_api_call

    def counting(client: Any, name: str, arguments: Any) -> Any:
        began = time.monotonic()
        time.sleep(AWAY)
        answer = call(client, name, arguments)
        consumed = answer.get("ConsumedCapacity") or {}
        each = consumed if isinstance(consumed, list) else [consumed]
        units = sum(float(one.get("CapacityUnits", 0)) for one in each)
        with lock:
            made.append((began, time.monotonic(), units))
        return answer

    patched._make_api_call = counting
    try:
        yield made
    finally:
        patched._make_api_call = call


def calls() -> dict[str, Any]:
    """Of each page, once this process knows the tables; and of its poll."""
    from benchmarks.figures import waves
    from benchmarks.reader import live

    client, found = signed_in(User.objects.get(username=NAME)), {}
    for name, path in PAGES.items():
        client.get(path)
        with counted() as made:
            answer = client.get(path)
        page = answer.content.decode()
        entry: dict[str, Any] = {
            "status": answer.status_code,
            "calls": len(made),
            "units": sum(units for _, _, units in made),
            "waves": waves((begin, end) for begin, end, _ in made),
        }
        if "X-Seen" in page:
            region = live(page)
            with counted() as made:
                poll = client.get(region.url, headers=region.poll)
            entry |= {"poll_status": poll.status_code, "poll_calls": len(made)}
        found[name] = entry
    return found


if __name__ == "__main__":
    settings.ALLOWED_HOSTS = [HOST]
    what, *given = sys.argv[1:]
    print(json.dumps(accounts(int(given[0])) if what == "accounts" else calls()))

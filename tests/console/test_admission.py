"""Lists, panels and downloads share a process with everything else: some threads are always left for the rest."""

import gc
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.test import Client
from django.urls import resolve, reverse

from opsportal.api.site import api
from opsportal.console import views
from opsportal.console.admission import Busy, Load, Slot, admission, limit
from opsportal.descriptors import descriptors
from opsportal.server.gate import turn
from opsportal.telemetry.scrapes import exposition
from tests.factories import agent, log, put, request, workflow
from tests.pages import visit

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py


@pytest.fixture(scope="module", autouse=True)
def _answers_that_other_tests_did_not_read() -> None:
    gc.collect()


@pytest.fixture(autouse=True)
def _nothing_is_held() -> Iterator[None]:
    yield
    assert Slot.held.total() == 0


@contextmanager
def held(load: Load, count: int) -> Iterator[None]:
    """By `count` other threads."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(admission(load))
        yield


@pytest.mark.parametrize(
    ("threads", "lists", "panels", "lists_beside_two_downloads"),
    [(1, 1, 1, 1), (2, 1, 1, 1), (3, 2, 2, 1), (4, 3, 2, 1), (6, 4, 3, 3), (8, 5, 3, 5), (16, 13, 11, 13)],
)
def test_some_threads_are_always_left(
    monkeypatch: pytest.MonkeyPatch, threads: int, lists: int, panels: int, lists_beside_two_downloads: int
) -> None:
    monkeypatch.setattr(Slot, "threads", threads)
    assert (limit(Load.LIST), limit(Load.PANEL)) == (lists, panels)
    downloads = limit(Load.DOWNLOAD)
    assert downloads == min(2, max(1, threads - 1))
    with held(Load.DOWNLOAD, downloads):
        assert limit(Load.LIST) == lists_beside_two_downloads
        with held(Load.LIST, lists_beside_two_downloads), pytest.raises(Busy), admission(Load.LIST):
            pass
        with pytest.raises(Busy, match="downloads"), admission(Load.DOWNLOAD):
            pass
    # Panels give way first: a list counts with them, and they with a list.
    with held(Load.LIST, panels), pytest.raises(Busy, match="Other panels are being read"):
        Slot(Load.PANEL).take()
    with held(Load.PANEL, panels), held(Load.LIST, lists - panels), pytest.raises(Busy):
        Slot(Load.LIST).take()


@pytest.fixture
def shown(tables: dict[str, Any]) -> None:
    put(tables["workflows"], workflow("w"))
    put(tables["requests"], request("r"))
    put(tables["request_logs"], log("r"))
    put(tables["agents"], agent("a"))


LISTS = (
    "/workflows/", "/requests/", "/requests/r/logs/", "/agents/", "/agents/fleet/", "/jobs/", "/audit/", "/audit/undelivered/",
    "/api/workflows", "/api/requests", "/api/requests/r/logs", "/api/audit", "/api/jobs", "/api/agents",
)  # fmt: skip
ITEMS = (
    "/", "/workflows/w/", "/requests/r/", "/agents/a/", "/requests/r/cancel/", "/api/workflow/w/status", "/api/requests/r",
    "/tables/", "/accounts/preferences/", "/healthz", "/readyz",
)  # fmt: skip


def test_while_lists_are_read_items_are_and_more_lists_are_not(shown: None, client_for: Any) -> None:
    client = client_for("administrator")
    with held(Load.LIST, limit(Load.LIST)):
        for path in LISTS:
            answer = client.get(path)
            assert (answer.status_code, answer["Retry-After"]) == (503, "5"), path
        assert answer.json()["kind"] == "busy"
        page = visit(client, "/workflows/", status=503)
        assert page.problem.attrs["data-problem"] == "busy"
        assert "Other lists are being read, and no more can be read at once." in page.problem.words
        # A poll, whose browser keeps what it shows.
        answer = client.get("/workflows/", headers={"HX-Request": "true"})
        assert answer.status_code == 503
        assert answer.content.strip().startswith(b'<section class="state problem"')
        for path in ITEMS:
            assert client.get(path).status_code == 200, path
        # Whoever may not see a list learns that, and not that it is busy.
        assert Client().get("/workflows/").status_code == 302
        assert Client().get("/api/workflows").status_code == 401
    assert b'opsportal_http_shed_total{load="list"}' in exposition("")[0]
    for path in LISTS:
        assert client.get(path).status_code == 200, path


PANELS = ("/panels/requests/?window=1h", "/tables/requests/deployed/", "/workflows/steps/pdfAdapter/")


@pytest.mark.parametrize("path", PANELS)
def test_panels_yield_before_lists_and_are_shown_busy_only_where_nothing_is_shown(
    shown: None, client_for: Any, path: str
) -> None:
    client = client_for("administrator")
    htmx = {"HX-Request": "true"}
    with held(Load.LIST, limit(Load.PANEL)):
        assert client.get("/requests/").status_code == 200
        first = client.get(path, headers=htmx)
        assert first.status_code == 200  # htmx would leave "Reading the table" there
        assert b'data-problem="busy"' in first.content
        assert b"data-live=" in first.content  # and asks again
        later = client.get(path, headers=htmx | {"X-Seen": "what-it-shows"})
        assert (later.status_code, later["Retry-After"]) == (503, "5")
    assert b"data-problem" not in client.get(path, headers=htmx).content
    with held(Load.LIST, limit(Load.LIST)):
        # What is known already costs no waiting.
        if path.startswith("/panels/"):
            assert b"data-problem" not in client.get(path, headers=htmx).content


def test_whose_turn_has_come_is_admitted_and_whose_has_not_is_refused(client_for: Any, tables: Any) -> None:
    """As the server says, which has counted already."""
    client = client_for("viewer")
    with held(Load.LIST, limit(Load.LIST)):
        for has_turn, status in ((True, 200), (None, 503)):
            turn.set(has_turn)
            assert client.get("/workflows/").status_code == status
    turn.set(False)
    try:
        assert client.get("/workflows/").status_code == 503
        assert client.get("/requests/r/logs/?format=txt").status_code == 503
        assert client.get("/workflows/absent/").status_code == 404
    finally:
        turn.set(None)


def test_a_view_that_fails_makes_room(client_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracking import views as workflows

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(workflows, "Listing", broken)
    client = client_for("viewer")
    client.raise_request_exception = False
    assert client.get("/workflows/").status_code == 500


# Of the relational database, or what reads nothing itself.
QUICK = {"alerts:list", "admin:index", "tables:list", "overview"}


def test_every_list_is_declared_as_one() -> None:
    """By `admitted`: one that is not may hold every thread."""
    pages = {one.page.url_name for one in descriptors() if one.page} - QUICK
    assert len(pages) >= 5
    for name in pages:
        assert getattr(resolve(reverse(name)).func, "load", None) == Load.LIST, name
    for operation in api.operations():
        if operation.view_func.__name__.startswith("list_"):
            assert getattr(operation.view_func, "load", None) == Load.LIST, operation.view_func


@pytest.mark.django_db
def test_one_thread_at_a_time_looks_whether_it_is_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask, and an engine that does not answer must not hold more threads than that."""
    begun, over = threading.Event(), threading.Event()

    def hanging(table: Any) -> dict[str, Any]:
        begun.set()
        assert over.wait(30)
        return {"ok": True}

    monkeypatch.setattr(views, "_database", lambda: {"ok": True})
    monkeypatch.setattr(views, "_table", hanging)
    with looking(begun, over):
        assert client.get("/readyz").status_code == 503  # for the first time
    assert client.get("/readyz").status_code == 200
    # It is looked at again, and meanwhile what was found before is the answer.
    monkeypatch.setattr(views, "CACHE_SECONDS", -1)
    begun.clear()
    over.clear()
    with looking(begun, over):
        assert client.get("/readyz").status_code == 200


@contextmanager
def looking(begun: threading.Event, over: threading.Event) -> Iterator[None]:
    """While another thread looks."""
    thread = threading.Thread(target=views._parts)
    thread.start()
    try:
        assert begun.wait(30)
        yield
    finally:
        over.set()
        thread.join()

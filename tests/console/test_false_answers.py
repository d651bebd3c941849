"""The whole console where something that is not DynamoDB answers in its place: at once, or in place of its answer."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding
from opsportal.operations import transactions
from registry import discovery
from tests.api.conftest import Program
from tests.cases import each, short
from tests.console.routes import routes
from tests.dynamo.fake_aws import Answer
from tests.engines import Engine
from tests.factories import log
from tests.false_answers import FALSE
from tests.operations.places import dump, put, request_item, trail
from tests.operations.proxy import Proxy, instead
from tests.pages import Page
from tests.registry.test_action_pages import form_of, new
from tests.registry.test_actions import agent
from tests.requests_app.submitting import data, form
from tests.tracking.test_actions import failed, workflow

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

KEY, ENTRY = "x/healthz", str(uuid.UUID(int=4))
SAID = "not as DynamoDB does"
TRANSACTION = "TransactWriteItems"
# Those that `make test` tries; the others are in `make test-long`.
FEW = ("null", "403")


@pytest.fixture(autouse=True)
def _for_busy_machines(settings: Any) -> None:
    settings.DYNAMO_CONNECT_TIMEOUT = settings.DYNAMO_READ_TIMEOUT = 15.0
    settings.DYNAMO_REQUEST_DEADLINE = 50.0


def put_items(tables: dict[str, Any]) -> None:
    """One of each, under `KEY`."""
    put(tables["workflows"], failed() | {tables["workflows"].key: {"S": KEY}})
    put(tables["requests"], request_item(KEY))
    put(tables["request_logs"], log(KEY))
    put(tables["agents"], agent() | {"agentId": {"S": KEY}})


@pytest.fixture
def through(tables: dict[str, Any], engine: Engine, proxied: Proxy) -> Iterator[Proxy]:
    put_items(tables)
    yield proxied
    clients.forget()  # botocore tries no more again with a client that has failed this often


def forget() -> None:
    for cache in caches.all(initialized_only=True):
        cache.clear()
    discovery._held.clear()


def addresses() -> list[str]:
    """Of every page and every list of the console that DynamoDB has a part in."""
    found = []
    for route in routes():
        if route.name.startswith(("admin:", "account_", "mfa_")):
            continue
        path = route.path
        if route.name.startswith("operations:") or route.name == "api:get_audit_entry":
            path = path.replace("x~2Fhealthz", ENTRY)
        if route.name.startswith("tables:"):
            path = path.replace("x~2Fhealthz", "requests")
        found.append(path)
    return [
        *found,
        "/requests/x~2Fhealthz/logs/?format=txt",
        "/requests/x~2Fhealthz/logs/?format=ndjson",
        "/audit/?format=csv",
        "/audit/?format=jsonl",
        "/requests/?user=u",
        "/requests/?sort=priority",
        "/requests/?outside=1",
        "/requests/new/?like=x/healthz",
        "/api/workflow/x~2Fhealthz/status",
    ]


def words(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(body.decode())


# What is typed into them is not lost for what can't be read: they say it beside.
FORMS = ("/requests/new/", "/agents/register/")


def check_pages(through: Proxy, client: Client, answer: Answer) -> None:
    asked = 0
    for path in addresses():
        forget()
        through.asked.clear()
        through.interfere = instead(answer)
        got = client.get(path)
        if not through.asked:
            assert got.status_code < 500, path
            continue
        asked += 1
        if not path.endswith("/glance/"):  # a cell of a list: the one beside it says so
            assert SAID in words(got), path
        # What is loaded into a page is 200, or it would not be put there.
        inside = path.startswith(("/panels/", "/tables/")) or path in FORMS
        assert got.status_code == (200 if inside else 503), path
        if got.status_code == 503 and path.startswith("/api/"):
            assert got.headers["Content-Type"] == "application/problem+json"
            assert int(got.headers["Retry-After"]) > 0
    assert asked > 40


@pytest.mark.parametrize("kind", FEW)
def test_no_page_takes_it_for_an_answer(through: Proxy, client_for: Any, kind: str) -> None:
    client = client_for("administrator")
    client.raise_request_exception = False
    check_pages(through, client, FALSE[kind])


@pytest.mark.long
@pytest.mark.parametrize("kind", sorted(FALSE.keys() - set(FEW)))
def test_no_page_takes_any_of_them_for_an_answer(through: Proxy, client_for: Any, kind: str) -> None:
    client = client_for("administrator")
    client.raise_request_exception = False
    check_pages(through, client, FALSE[kind])


# Parts of a page that leave out what they can't show, and draw it from there on when it is back.
QUIET = ("/tables/requests/", *FORMS)


@pytest.mark.long
def test_no_page_fails_by_one_call_among_good_ones(through: Proxy, client_for: Any) -> None:
    """Each operation that a page asks for is answered so, alone."""
    client = client_for("administrator")
    client.raise_request_exception = False
    for path in addresses():
        forget()
        through.reset(through.engine)
        good = client.get(path)
        words(good)
        for operation in sorted(set(through.operations())):
            for kind in FEW:
                forget()
                through.interfere = instead(FALSE[kind], of={operation})
                got = client.get(path)
                assert got.status_code in (good.status_code, 503), (path, operation, kind)
                told = got.status_code == 503 or SAID in words(got)
                assert told or path.startswith(QUIET), (path, operation, kind)


# --- Actions ---------------------------------------------------------------------------------------------

Send = Callable[[Client, Program, dict[str, Any]], Any]


def by_form(address: str, **more: str) -> Send:
    """A form of the pages."""

    def send(client: Client, _: Program, once: dict[str, Any]) -> Any:
        return client.post(address, {"action_id": once["id"], "reason": "because", **more})

    return send


def by_call(path: str, body: Any = None) -> Send:
    """A call of the API."""

    def send(_: Client, caller: Program, once: dict[str, Any]) -> Any:
        return caller.post(path, body, Idempotency_Key=once["id"])

    return send


def by_prepared(address: str) -> Send:
    """A form as it was filled in before (see `PREPARED`)."""

    def send(client: Client, _: Program, once: dict[str, Any]) -> Any:
        return client.post(address, once["form"])

    return send


def purged(client: Client, table: Binding) -> dict[str, Any]:
    client.post("/requests/x~2Fhealthz/purge/", {"action_id": ENTRY, "reason": "", "confirm": KEY})
    return {"action_id": str(uuid.uuid4()), "reason": "because"}


PREPARED: dict[str, Callable[[Client, Binding], dict[str, Any]]] = {
    # The action_id has the time in it.
    "submit": lambda client, table: form() | {"do": "submit"},
    "edit": lambda client, table: form_of(client, "/agents/x~2Fhealthz/edit/") | {"name": "Renamed"},
    "register": lambda client, table: new(agent_id="new"),
    "undo": purged,
}
PROFILE = {"id": "new", "name": "New", "endpoint": "https://test.example", "capabilities": ["a"]}
# Name: what sends it, the table, and the item that it is allowed for.
ACTIONS: dict[str, tuple[Send, str, dict[str, Any]]] = {
    "cancel": (by_form("/requests/x~2Fhealthz/cancel/"), "requests", request_item(KEY)),
    "retry": (by_form("/requests/x~2Fhealthz/retry/"), "requests", request_item(KEY, "failed")),
    "purge": (by_form("/requests/x~2Fhealthz/purge/", confirm=KEY), "requests", request_item(KEY, "failed")),
    "submit": (by_prepared("/requests/new/"), "requests", {}),
    "cancel a workflow": (by_form("/workflows/x~2Fhealthz/cancel/"), "workflows", workflow()),
    "retry a workflow": (by_form("/workflows/x~2Fhealthz/retry/", start="whole"), "workflows", failed()),
    "purge a workflow": (
        by_form("/workflows/x~2Fhealthz/purge/", confirm=KEY),
        "workflows",
        workflow("completed"),
    ),
    "deactivate": (by_form("/agents/x~2Fhealthz/deactivate/"), "agents", agent()),
    "purge an agent": (
        by_form("/agents/x~2Fhealthz/purge/", confirm=KEY),
        "agents",
        agent(status={"S": "inactive"}),
    ),
    "activate": (by_form("/agents/x~2Fhealthz/activate/"), "agents", agent(status={"S": "inactive"})),
    "edit": (by_prepared("/agents/x~2Fhealthz/edit/"), "agents", agent()),
    "register": (by_prepared("/agents/register/"), "agents", {}),
    "undo": (by_prepared(f"/audit/{ENTRY}/undo/"), "requests", request_item(KEY, "failed")),
    "API: submit": (by_call("/api/requests", data()), "requests", {}),
    "API: cancel": (by_call("/api/requests/x~2Fhealthz/cancel"), "requests", request_item(KEY)),
    "API: retry": (by_call("/api/requests/x~2Fhealthz/retry"), "requests", request_item(KEY, "failed")),
    "API: cancel a workflow": (by_call("/api/workflows/x~2Fhealthz/cancel"), "workflows", workflow()),
    "API: register": (by_call("/api/agents/register", {"profile": PROFILE}), "agents", {}),
    "API: deactivate": (by_call("/api/agents/x~2Fhealthz/deactivate"), "agents", agent()),
    "API: heartbeat": (by_call("/api/agents/heartbeat", {"id": KEY}), "agents", agent()),
}
# Of each kind of form and of call one: on an item, with what was prepared, of an item that is not there yet, by the API.
BRIEFLY = ("retry", "submit", "cancel a workflow", "purge an agent", "undo", "API: submit", "API: heartbeat")


@pytest.fixture
def acting(
    tables: dict[str, Any],
    engine: Engine,
    proxied: Proxy,
    client_for: Any,
    program: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], tuple[Callable[[], Any], Binding]]]:
    """``send, table = acting(name)``: each ``send()`` sends the same action again."""
    monkeypatch.setattr(transactions, "PAUSE", 0.001)
    settings.WORKFLOW_COMMANDS_QUEUE_URL = "http://127.0.0.1:9/123456789012/commands"  # nothing listens
    client, caller = client_for("administrator"), program("administrator")
    client.raise_request_exception = caller.client.raise_request_exception = False

    def of(name: str) -> tuple[Callable[[], Any], Binding]:
        sends, logical, item = ACTIONS[name]
        table = tables[logical]
        if item:
            put(table, item | {table.key: {"S": KEY}})
        once: dict[str, Any] = {"id": str(uuid.uuid4())}
        if name in PREPARED:
            once["form"] = PREPARED[name](client, table)

        def send() -> Any:
            forget()
            return sends(client, caller, once)

        return send, table

    yield of
    clients.forget()


def tells_that_it_is_not_known(answer: Any) -> bool:
    return "it is not known whether this was done" in Page(answer, "/").words or (
        answer.headers["Content-Type"] == "application/problem+json"
        and "not known" in answer.content.decode()
        and "Retry-After" in answer.headers
    )


def done(answer: Any) -> bool:
    return bool(answer.status_code in (200, 201, 302))


@pytest.mark.parametrize("name", short(ACTIONS, *BRIEFLY))
def test_before_the_work_it_is_no_success_and_nothing_is_written(
    acting: Any,
    proxied: Proxy,
    tables: dict[str, Any],
    name: str,
) -> None:
    send, table = acting(name)
    entries, before = len(trail(table)), dump(tables)
    for kind in FEW:
        proxied.interfere = instead(FALSE[kind])
        answer = send()
        assert answer.status_code == 503, kind
        assert SAID in answer.content.decode(), kind
        # The same where only the writes are answered so.
        proxied.interfere = instead(FALSE[kind], of={TRANSACTION, "UpdateItem"})
        answer = send()
        assert answer.status_code == 503, kind
        assert tells_that_it_is_not_known(answer), kind
    assert dump(tables) == before
    proxied.reset(proxied.engine)
    assert done(send())
    assert len(trail(table)) == entries + 1


@pytest.mark.parametrize("name", short(ACTIONS, *BRIEFLY))
def test_after_the_work_the_entry_tells_that_it_was_done(
    acting: Any,
    proxied: Proxy,
    name: str,
) -> None:
    send, table = acting(name)
    entries = len(trail(table))
    proxied.interfere = instead(FALSE["null"], of={TRANSACTION}, after=True)
    assert done(send())
    assert len(trail(table)) == entries + 1


@pytest.mark.parametrize("name", short(ACTIONS, *BRIEFLY))
def test_after_the_work_it_is_not_known_where_nothing_else_is_answered_either(
    acting: Any,
    proxied: Proxy,
    name: str,
) -> None:
    """And sent again it finds what it did."""
    send, table = acting(name)
    entries = len(trail(table))
    for kind in FEW:
        worked: list[bool] = []

        def interfere(
            operation: str, _: Any, forward: Any, worked: list[bool] = worked, kind: str = kind
        ) -> Answer | None:
            found: Answer = forward()
            if operation == TRANSACTION:
                worked.append(True)
            return FALSE[kind] if worked else found

        proxied.interfere = interfere
        answer = send()
        if worked:
            assert answer.status_code == 503, kind
            assert tells_that_it_is_not_known(answer), kind
        else:  # the first time had its effect, as is told now
            assert done(answer), kind
    proxied.reset(proxied.engine)
    assert done(send())
    assert len(trail(table)) == entries + 1


@pytest.mark.long
@pytest.mark.parametrize("kind", FALSE)
@each("name", ACTIONS)
def test_of_any_kind_a_transaction_is_not_known(
    acting: Any,
    proxied: Proxy,
    kind: str,
    name: str,
) -> None:
    send, table = acting(name)
    entries = len(trail(table))
    proxied.interfere = instead(FALSE[kind], of={TRANSACTION, "UpdateItem"})
    answer = send()
    assert answer.status_code == 503
    assert tells_that_it_is_not_known(answer)
    assert len(trail(table)) == entries
    proxied.interfere = instead(FALSE[kind], of={TRANSACTION, "UpdateItem"}, after=True)
    # A heartbeat has another write to make.
    assert done(send()) != (name == "API: heartbeat")
    assert len(trail(table)) == entries + 1
    clients.forget()

"""Fixtures of every test: engines, tables, personas, and the guard against other machines."""

import contextlib
import functools
import gc
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import hypothesis
import pytest
from botocore.hooks import EventAliaser
from django.core.cache import caches
from django.test import Client

from opsportal.supervisor import signal_on_parent_death
from tests.engines import KINDS, Engine, fresh_tables, running
from tests.loopback import refuse_other_machines

# A busy machine is slow, not wrong. `make test-long` has more of the same cases.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("patient", **PATIENT)
hypothesis.settings.register_profile("long", max_examples=500, **PATIENT)
hypothesis.settings.load_profile("patient")

PASSWORD = "correct horse battery staple"
ROLES = ("viewer", "operator", "administrator")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=sorted(KINDS), default="both", help="which engine(s) tests run on")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # A killed controller would leave its workers, and they their engines.
        signal_on_parent_death(signal.SIGKILL)
        # What is collected stays: a sixth of the time that it takes went into looking for garbage among it.
        gc.disable()
    refuse_other_machines()
    # Every session reads the descriptions of the services from disk again: 80 of the 100 ms of a client.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # And names its two hundred events again, by a table that never changes: half of what is left of a session.
    alias = EventAliaser(None)._alias_event_name
    EventAliaser._alias_event_name = lambda self, name: alias(name)


def pytest_collection_finish() -> None:
    """Walk no more through what stays: modules and thousands of tests, at each full collection of garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    kinds = KINDS[metafunc.config.getoption("engine")]
    test = metafunc.definition
    if any(test.get_closest_marker(mark) for mark in ("no_moto", "long")):
        kinds = [kind for kind in kinds if kind != "moto"]
    if "browser" in test.path.parts:
        kinds = kinds[:1]  # these are about the page; the same reads run on both engines elsewhere
    metafunc.parametrize("engine", kinds, indirect=True, scope="session")


# Folders whose tests run on moto too in `make test`; what the others ask of it is left to `make test-long`.
SECOND_OPINION = {"dynamo", "operations", "tables", "writers"}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if getattr(item, "callspec", None) and item.callspec.params.get("engine") == "moto":
            item.add_marker("moto")
            if config.getoption("engine") == "both" and not SECOND_OPINION & set(item.path.parts):
                item.add_marker("long")
    yield  # the marks choose
    items[:] = spread(items, getattr(config, "workerinput", {}).get("workercount", 1))


# Folders whose tests take seconds each.
SLOW = {"browser", "deploy", "faults", "server"}


def spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The slow tests first in each process's share, module by module, so that none is left for the end, which all
    wait for. xdist gives each process an equal number of tests that follow one another."""
    shares: list[list[pytest.Item]] = [[] for _ in range(processes)]
    slow = [item for item in items if SLOW & set(item.path.parts)]
    for number, (path, module) in enumerate(itertools.groupby(slow, lambda item: item.path)):
        # Half of the processes start a browser and a server for it, the others the rest.
        half = shares[: (processes + 1) // 2] if "browser" in path.parts else shares[processes // 2 :]
        half[number % len(half)] += module
    quick = iter([item for item in items if not SLOW & set(item.path.parts)])
    left = len(items)
    for number, share in enumerate(shares):
        size = left // (processes - number)
        share += itertools.islice(quick, max(size - len(share), 0))
        left -= len(share)
    return [*itertools.chain.from_iterable(shares), *quick]


@pytest.fixture(scope="session")
def engines() -> Iterator[Callable[[str], Engine]]:
    """Starts each kind at most once in this process, on first use."""
    started: dict[str, Engine] = {}
    with contextlib.ExitStack() as stack:

        def engine_of(kind: str) -> Engine:
            if kind not in started:
                started[kind] = stack.enter_context(running(kind))
            return started[kind]

        yield engine_of


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, engines: Callable[[str], Engine]) -> Engine:
    """A running engine; the test runs once on each (``--engine``)."""
    return engines(request.param)


@pytest.fixture
def tables(engine: Engine, settings: Any) -> Iterator[dict[str, Any]]:
    """The four tables, empty, with the optional workflow index; logical name -> Binding."""
    with fresh_tables(engine, settings) as bindings:
        yield bindings


@pytest.fixture
def tables_without_index(engine: Engine, settings: Any) -> Iterator[dict[str, Any]]:
    """As ``tables``, with the workflow table exactly as the documents have it: no index."""
    with fresh_tables(engine, settings, workflow_index=False) as bindings:
        yield bindings


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    yield
    for cache in caches.all():  # those, too, that only another thread has used
        cache.clear()
    if tables := sys.modules.get("opsportal.dynamo.tables"):
        tables.forget()  # bound by the environment of this test
    if rate := sys.modules.get("opsportal.api.rate"):
        rate.forget()  # the next test's callers may have the same ids
    if throttling := sys.modules.get("opsportal.alerts.throttling"):
        throttling._sightings.clear()  # tables have the same names in the next test
    if discovery := sys.modules.get("registry.discovery"):
        discovery._held.clear()  # the agents of tables that the next test may get


@pytest.fixture(autouse=True)
def _same_watchers() -> Iterator[None]:
    """What a process that serves does with its calls (a line of the log for those that failed) stays its own."""
    from opsportal.dynamo import calls

    before = list(calls._watchers)
    yield
    calls._watchers[:] = before


@pytest.fixture
def user_of(db: None) -> Callable[[str], Any]:
    """``user_of(role)``: the persona of that name and role, made on first use."""
    made: dict[str, Any] = {}

    def persona(role: str) -> Any:
        from opsportal.accounts.roles import create_user

        if role not in made:
            made[role] = create_user(role, role, PASSWORD)
        return made[role]

    return persona


@pytest.fixture
def viewer(user_of: Callable[[str], Any]) -> Any:
    return user_of("viewer")


@pytest.fixture
def operator(user_of: Callable[[str], Any]) -> Any:
    return user_of("operator")


@pytest.fixture
def administrator(user_of: Callable[[str], Any]) -> Any:
    return user_of("administrator")


@pytest.fixture
def client_for(user_of: Callable[[str], Any]) -> Callable[[str], Client]:
    """``client_for(role)``: a test client signed in as that persona; "anonymous" is signed out."""

    def signed_in(role: str) -> Client:
        client = Client()
        if role != "anonymous":
            client.force_login(user_of(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in

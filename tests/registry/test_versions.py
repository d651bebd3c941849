"""What was written is known to every process that asks afterwards, in whatever order writers come through."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import DatabaseError

from registry import versions

WRITERS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    caches["default"].clear()
    yield
    caches["default"].clear()


class Process:
    """Keeps a registry as `registry.discovery` does: a set of the ids that were there when it read."""

    def __init__(self, registry: set[str]) -> None:
        self.registry, self.wholes = registry, 0
        self.version: str | None = None
        self.passed: tuple[str, ...] = ()
        self.has: set[str] = set()

    def look(self) -> set[str]:
        now = versions.current()
        if self.version == now:
            return self.has
        if self.version is not None and (told := versions.since(self.passed, now)):
            ids, self.passed = told
            self.has = self.has | (set(ids) & self.registry)
        else:
            self.wholes += 1
            self.passed, self.has = (now,), set(self.registry)
        self.version = now
        return self.has


def orders() -> list[tuple[str, ...]]:
    """Each order in which three writers can claim their places and set their versions."""
    return sorted(set(itertools.permutations(WRITERS * 2)))


@pytest.mark.parametrize("thrown_out", ["nothing", "places", "the version", "both"])
def test_discovery_after_a_write_finds_it_in_every_order(thrown_out: str) -> None:
    """Where the cache throws something out, of writers who come one after the other."""
    chance = random.Random(7)
    assert len(orders()) == 90
    together = thrown_out == "nothing"
    for order, _ in itertools.product(orders() if together else ["aabbcc"] * 30, range(8)):
        caches["default"].clear()
        registry: set[str] = set()
        processes, claimed, told = [Process(registry), Process(registry)], {}, set()
        versions.written()
        locations = [versions.current()]
        for writer in order:
            if writer in claimed:
                caches["default"].set(versions._key(), claimed[writer], None)
                told.add(writer)
            else:
                registry.add(writer)
                claimed[writer] = versions._claimed(writer)
                locations += [versions.current(), claimed[writer]]
            if thrown_out in ("places", "both") and chance.random() < 0.3:
                for place in locations:
                    if str(caches["default"].get(versions._after(place))).startswith(versions.current()):
                        caches["default"].delete(versions._after(place))
            if thrown_out in ("the version", "both") and chance.random() < 0.2:
                caches["default"].delete(versions._key())
            for process in processes:
                if chance.random() < 0.5:
                    assert told <= process.look(), order
        for process in processes:
            assert process.look() == set(WRITERS)


def test_a_write_costs_no_reading_of_the_whole() -> None:
    registry: set[str] = set()
    process = Process(registry)
    process.look()
    for number in range(20):
        registry.add(f"a{number}")
        versions.written(f"a{number}")
        if number % 3 == 0:
            assert process.look() == registry
    assert process.wholes == 1


def test_more_writes_than_are_worth_it_cost_one_reading() -> None:
    process = Process({"a"})
    process.look()
    for _ in range(versions.MAX_CHANGES + 1):
        versions.written("a")
    process.look()
    process.look()
    assert process.wholes == 2


def test_a_write_of_an_unknown_agent_costs_a_reading() -> None:
    process = Process({"a"})
    process.look()
    versions.written()
    process.look()
    assert process.wholes == 2


def test_a_place_that_is_claimed_twice_is_not_taken_for_the_first() -> None:
    """It had expired, and the version been set back."""
    registry = {"a"}
    process, before = Process(registry), versions.current()
    process.look()
    versions.written("a")
    process.look()
    caches["default"].delete(versions._after(before))
    caches["default"].set(versions._key(), before, None)
    registry.add("b")
    versions.written("b")
    assert process.look() == {"a", "b"}


def test_writers_that_find_no_place_start_a_new_chain() -> None:
    process, before = Process({"a"}), versions.current()
    for number in range(versions.MAX_CLAIMS):
        caches["default"].add(versions._after(str(number) if number else before), f"{number + 1}:x")
    process.look()
    versions.written("a")
    assert versions.current() not in process.passed
    process.look()
    assert process.wholes == 2


@pytest.mark.parametrize("text", ["", "made-up", "e:1:m", "0123456789abcdef"])
def test_whatever_stands_as_the_version_a_write_is_found(text: str) -> None:
    registry = {"a"}
    caches["default"].set(versions._key(), text, None)
    process = Process(registry)
    assert process.look() == {"a"}
    registry.add("b")
    versions.written("b")
    assert process.look() == {"a", "b"}
    assert process.wholes == 1


def test_a_write_is_done_though_other_processes_can_not_know_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise DatabaseError("database is locked")

    monkeypatch.setattr(versions, "_claimed", away)
    versions.written("a")
    assert "do not know of a change" in caplog.text


def test_a_link_lives_as_long_as_a_reading_can_ask_for_it(settings: Any) -> None:
    assert versions._kept() == 120
    settings.AGENTS_CACHE_SECONDS = 300
    assert versions._kept() == 7200
    settings.AGENTS_CACHE_SECONDS = 0
    assert versions._kept() == 60


@pytest.mark.django_db
def test_a_full_cache_throws_out_others_first(settings: Any) -> None:
    call_command("createcachetable", "opsportal_cache_of_a_test", verbosity=0)
    shared = {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "opsportal_cache_of_a_test",
        "OPTIONS": {"MAX_ENTRIES": 30},
    }
    settings.CACHES = settings.CACHES | {"default": shared}
    process = Process({"a"})
    process.look()
    for number in range(60):
        caches["default"].set(f"api-rate:{number}", 1)
        caches["default"].set(f"login:{number}", 1)
        if number % 10 == 0:
            versions.written("a")
            process.look()
    assert process.wholes == 1

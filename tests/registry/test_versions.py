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
from registry.versions import Known, Version

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
        self.version: Version | None = None
        self.known = Known(Version.first())
        self.has: set[str] = set()

    def look(self) -> set[str]:
        now = versions.current()
        if self.version == now:
            return self.has
        if self.version and (told := versions.since(self.known, now)):
            ids, self.known = told
            self.has = self.has | (set(ids) & self.registry)
        else:
            self.wholes += 1
            self.known, self.has = Known(now), set(self.registry)
        self.version = now
        return self.has


def orders() -> list[tuple[str, ...]]:
    """Each order in which three writers can claim their slots and set their versions."""
    return sorted(set(itertools.permutations(WRITERS * 2)))


@pytest.mark.parametrize("thrown_out", ["nothing", "slots", "the version", "both"])
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
        for writer in order:
            if writer in claimed:
                caches["default"].set(versions._key(), str(claimed[writer]), None)
                told.add(writer)
            else:
                registry.add(writer)
                claimed[writer] = versions._claimed(writer)
            if thrown_out in ("slots", "both") and chance.random() < 0.3:
                now = versions.current()
                caches["default"].delete(versions._slot(now.epoch, now.number))
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
    for _ in range(versions.MOST_CHANGES + 1):
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


def test_a_number_that_is_claimed_twice_is_not_taken_for_the_first() -> None:
    """Its slot had expired, and the version been set back."""
    registry = {"a"}
    process, before = Process(registry), versions.current()
    process.look()
    versions.written("a")
    process.look()
    caches["default"].delete(versions._slot(before.epoch, 1))
    caches["default"].set(versions._key(), str(before), None)
    registry.add("b")
    versions.written("b")
    assert process.look() == {"a", "b"}


def test_writers_that_find_no_slot_start_a_new_epoch() -> None:
    process, before = Process({"a"}), versions.current()
    for number in range(versions.MOST_CLAIMS):
        caches["default"].add(versions._slot(before.epoch, number + 1), "x:x")
    process.look()
    versions.written("a")
    assert versions.current().epoch != before.epoch


@pytest.mark.parametrize("text", [None, "", "made-up", "e:1", "e:one:m", "e:1:", "0123456789abcdef"])
def test_text_that_is_no_version_is_read_as_none(text: str | None) -> None:
    assert Version.of(text) is None
    caches["default"].set(versions._key(), text or "", None)
    process = Process({"a"})
    assert process.look() == {"a"}
    versions.written("a")
    assert Version.of(caches["default"].get(versions._key())) is not None


def test_a_write_is_done_though_other_processes_can_not_know_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise DatabaseError("database is locked")

    monkeypatch.setattr(versions, "_claimed", away)
    versions.written("a")
    assert "do not know of a change" in caplog.text


def test_a_slot_lives_as_long_as_a_reading_can_ask_for_it(settings: Any) -> None:
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

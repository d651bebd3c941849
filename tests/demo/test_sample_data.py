"""Sample data by `dynamo migrate` and `dynamo seed`: what `load_demo` loads, where it may."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.dynamo.tables import Binding
from opsportal.management.commands import load_demo
from opsportal.tables.commands import Console, migrate, seed
from tests.demo.reading import items_of
from tests.dynamo.migrated import new_place
from tests.engines import Engine

pytestmark = [pytest.mark.django_db, pytest.mark.no_moto]

OPTIONS = {
    "target": "", "app": "", "table": [], "plan": False, "yes": False, "accept_index_rejects": False,
    "accept_unlisted": False, "add_indexes": False, "drop_index": "", "confirm_name": [], "sample_data": False,
}  # fmt: skip


@pytest.fixture
def place(engine: Engine, settings: Any) -> Iterator[dict[str, Binding]]:
    with new_place(engine.endpoint, settings) as found:
        yield found


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded: nothing is, but said."""
    made: list[str] = []
    monkeypatch.setattr(load_demo, "load", lambda now, with_hostile: made.append("loaded") or [])
    monkeypatch.setattr(load_demo, "moment_of", lambda now: now)
    monkeypatch.setattr(load_demo.history, "make", lambda now: "Audit trail: none")
    monkeypatch.setattr(load_demo.failures, "make", lambda now: "Failures: none")
    return made


def run(*answers: str, **options: Any) -> tuple[list[str], list[str]]:
    """What migrate said, and asked of somebody who gives these answers and then none."""
    said: list[str] = []
    asked: list[str] = []
    replies = iter(answers)

    def ask(question: str) -> str:
        asked.append(question)
        return next(replies, "")

    assert migrate.run(Console(said.append, ask), OPTIONS | options) == 0
    return said, asked


def test_migrate_offers_sample_data_once_the_tables_are_made_and_empty(
    place: dict[str, Binding], loads: list[str]
) -> None:
    said, asked = run("yes", "no")
    assert asked == ["Do this? [yes/no] ", seed.QUESTION]
    assert loads == []
    assert said[-1].startswith("Verified")
    assert run()[1] == []  # nothing was made, nothing is offered


def test_a_yes_loads_the_set_of_load_demo_and_sample_data_asks_nothing(place: dict[str, Binding]) -> None:
    said, asked = run("yes", "yes")
    assert asked[-1] == seed.QUESTION
    assert said[-2] == "Audit trail: 11 actions of 3 people"
    loaded = {name: set(items_of(table)) for name, table in place.items()}
    assert all(loaded.values())
    said, asked = run(sample_data=True)
    assert asked == []
    assert f"{place['agents'].name}: 0 added, {len(loaded['agents'])} already there" in said
    assert {name: set(items_of(table)) for name, table in place.items()} == loaded


def test_nobody_is_asked_where_nobody_answers_or_the_place_is_not_for_it(
    place: dict[str, Binding], loads: list[str], settings: Any
) -> None:
    settings.OPSPORTAL_ENV = "staging"
    with pytest.raises(CommandError, match="Sample data is for dev and local; OPSPORTAL_ENV is staging"):
        run("yes", sample_data=True)
    said, asked = run(yes=True, table=["requests", "request_logs", "workflows", "agents"])
    assert asked == []
    seed.offer(Console(said.append, lambda question: "yes"))  # in staging
    assert loads == []
    settings.OPSPORTAL_ENV = "dev"
    assert run(yes=True, sample_data=True, plan=True)[1] == []
    assert loads == []
    seed.offer(Console(said.append, lambda question: "yes"))
    assert loads == ["loaded"]
    deployed = settings.DYNAMO_TABLES
    table = deployed["agents"]
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"agents": table | {"name": "not-there"}}
    seed.offer(Console(said.append, lambda question: "yes"))
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"agents": table | {"endpoint": "http://192.0.2.1"}}
    seed.offer(Console(said.append, lambda question: "yes"))
    assert loads == ["loaded"]
    with pytest.raises(CommandError, match="only writes to an engine on this machine"):
        run(sample_data=True)
    settings.DYNAMO_TABLES = deployed  # what is there is deleted by these names


def test_seed_is_load_demo_in_development_only(loads: list[str], settings: Any) -> None:
    settings.OPSPORTAL_ENV = "staging"
    with pytest.raises(CommandError, match="is for dev and local; OPSPORTAL_ENV is staging"):
        call_command("dynamo", "seed")
    assert loads == []
    settings.OPSPORTAL_ENV = "dev"
    out = StringIO()
    settings.DYNAMO_TABLES = {
        name: table | {"endpoint": "http://127.0.0.1:9"} for name, table in settings.DYNAMO_TABLES.items()
    }
    call_command("dynamo", "seed", stdout=out)
    assert out.getvalue() == "Audit trail: none\nFailures: none\n"
    assert loads == ["loaded"]

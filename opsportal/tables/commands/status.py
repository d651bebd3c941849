"""``manage.py dynamo status``: where every migration and every table stands."""

from typing import Any

from django.core.management.base import CommandParser

from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, deployed
from opsportal.dynamo.descriptions import Twins
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.migrations import MigrationState, place_text, states
from opsportal.dynamo.steps import size_text
from opsportal.dynamo.structure import index_flaws, key_flaws
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console
from opsportal.tables.overview import shown_tables
from opsportal.tables.verification_report import same_as

HELP = "each migration, applied or pending, when and by whom; each table with its settings"


def add_arguments(parser: CommandParser) -> None:
    """It takes none."""


def run(console: Console, options: dict[str, Any]) -> int:
    """1 where a ledger or a table could not be read; a missing table is no error here."""
    failed = False
    by_place: dict[str, list[MigrationState]] = {}
    for state in states(background=True):
        by_place.setdefault(place_text(state.table), []).append(state)
    for location, found in by_place.items():
        console.say(f"Migrations, {location}")
        if problem := found[0].problem:
            failed = True
            console.problem(problem, name="  unknown: ")
            continue
        for state in found:
            console.say(f"  {state.state:<8} {state.name} ({state.app}, {state.table.name}){_when(state)}")
    console.say("Tables")
    breaker, twins = CircuitBreaker(), Twins()
    for found in by_place.values():
        breaker.note(found[0].table, found[0].problem)
    for one in shown_tables():
        console.say(f"  {one.key}: {one.table.name}, {place_text(one.table)}")
        try:
            there = breaker.ask(one.table, deployed)
            twin = twins.of(one.table, there)
            for line in [same_as(twin)] if twin else [*table_lines(there), *_problems(one.table, there)]:
                console.say(f"    {line}")
        except DynamoError as problem:
            failed = failed or problem.kind != "table_missing"
            fix = one.migrate_command if problem.kind == "table_missing" else ""
            console.problem(problem, name="    ", fix=fix)
    return int(failed)


def _when(state: MigrationState) -> str:
    for event, at, by in (
        ("rollback begun", state.removing_at, state.removing_by),
        ("", state.applied_at, state.applied_by),
        ("begun", state.begun_at, state.begun_by),
        ("rolled back", state.rolled_back_at, ""),
    ):
        if at:
            return f" {event} {at:%Y-%m-%d %H:%M:%S} UTC{f' by {by}' if by else ''}".replace("  ", " ")
    return ""


def _problems(table: Binding, found: Deployed) -> list[str]:
    """What of its key and indexes keeps the console from it or slows it down, as `doctor` says it."""
    flaws = [*key_flaws(table, found), *index_flaws(table, found)]
    return [f"problem: {flaw.sentence} {flaw.fix}" for flaw in flaws if flaw.breaks]


def table_lines(found: Deployed) -> list[str]:
    """State, billing, items, size, indexes, TTL and recovery of a table, for people."""
    indexes = ", ".join(f"{index.name}{'' if index.usable else ' (being built)'}" for index in found.indexes)
    ttl = (
        (f"on {found.ttl.attribute}" if found.ttl.on else "off") if isinstance(found.ttl, Ttl) else found.ttl
    )
    recovery: object = found.recovery
    if isinstance(found.recovery, Recovery):
        recovery = "on" if found.recovery.enabled else "off"
    return [
        f"{found.state}, {found.billing_mode}, {found.items:,} items, {size_text(found.size)} "
        "(DynamoDB's figures, about six hours old)",
        f"indexes: {indexes or 'none'}",
        f"TTL: {ttl}; point-in-time recovery: {recovery}; encryption: {found.encryption or 'the AWS-owned key'}",
    ]

"""What `migrate` says and asks about indexes of tables that other programs own, and taking an index back."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from opsportal.dynamo.fixes import add_indexes, drop_index
from opsportal.dynamo.ledger import ADDED_INDEX
from opsportal.dynamo.migrations import NotFound
from opsportal.dynamo.plans import Plan, Planned
from opsportal.dynamo.rollback import index_removal, remove
from opsportal.dynamo.steps import Backfill
from opsportal.dynamo.tables import Binding
from opsportal.environments import is_strict
from opsportal.tables.commands import Console
from opsportal.tables.costs import MILLION, money
from opsportal.tables.prices import price_list, without_price


def index_lines(todo: Plan) -> list[str]:
    """What the indexes of the plan cost, whose the tables are, and how an index is taken back."""
    lines: list[str] = []
    for members in _by_table(one for one in todo.planned if one.index):
        table = members[0].table
        lines += [
            f"{one.index.name}: the backfill writes {_units(table, [one.outlook.backfill])}"
            for one in members
            if one.index and one.outlook.backfill
        ]
        if len(members) > 1:
            lines.append(f"together: {_units(table, [one.outlook.backfill for one in members])}")
        lines.append("From then on each write that changes an item is a write of each index that it is in.")
        if members[0].foreign:
            lines.append(
                f"{table.name} is another program's table: the ledger does not say that migrate created it. Once an "
                "index is there, DynamoDB refuses mistyped writes of that program too. If Terraform or CloudFormation "
                "manages it, declare the indexes there too, or its next run takes them away."
            )
        lines.append(f"To take an index back: {drop_index(table, 'NAME')}")
    return lines


def _by_table(planned: Iterable[Planned]) -> list[list[Planned]]:
    tables: dict[str, list[Planned]] = {}
    for one in planned:
        tables.setdefault(one.table.fingerprint, []).append(one)
    return list(tables.values())


def _units(table: Binding, backfills: Iterable[Backfill | None]) -> str:
    """``about 3,000 write units, of about 3,000 items, $0.01 on demand in us-east-1``."""
    known = [backfill for backfill in backfills if backfill]
    units = sum(backfill.units for backfill in known)
    about = "at least" if any(backfill.least for backfill in known) else "about"
    said = f"{about} {units:,} write unit{'s' * (units != 1)}"
    if len(known) == 1:
        said += f", of about {known[0].items:,} item{'s' * (known[0].items != 1)}"
    if capacity := known[0].capacity:
        minutes = units / capacity / 60
        return f"{said}, in the index's own capacity of {capacity:,} write units a second: {minutes:,.0f} min or longer"
    return f"{said}, {_price(table, units, known[0].table_class)}"


def _price(table: Binding, units: int, table_class: str) -> str:
    try:
        price = price_list().of(table.region, table_class).write_million
    except ImproperlyConfigured as error:
        return f"price unknown ({error})"
    if price is None:
        return f"price unknown ({without_price(table.region, table_class=table_class).rstrip('.')})"
    return f"{money(units * price / MILLION)} on demand in {table.region}"


def confirm_names(console: Console, tables: Iterable[Binding], what: str, options: dict[str, Any]) -> None:
    """Outside development, have the name of each of these tables of other programs typed, or given.

    Raises CommandError where it is not.
    """
    if not is_strict(settings.OPSPORTAL_ENV):
        return
    for name in dict.fromkeys(table.name for table in tables):
        if name in options["confirm_name"]:
            continue
        if options["yes"] or console.ask(f"Type the table's name to {what}: ").strip() != name:
            raise CommandError(
                f"Nothing was changed: the name of {name}, a table of another program, was not typed. In a "
                f"script use --yes --confirm-name {name}."
            )


def drop(console: Console, options: dict[str, Any]) -> int:
    """`--drop-index`: remove one declared index that `migrate` added, and note it in the ledger."""
    if len(options["table"]) != 1:
        raise CommandError("--drop-index needs --table: name the index's table.")
    try:
        removal = index_removal(options["table"][0], options["drop_index"])
    except NotFound as error:
        raise CommandError(str(error)) from error
    console.say("The plan:")
    for line in removal.lines():
        console.say(line)
    if options["plan"]:
        return 0
    if removal.found is not None:
        what = f"drop {removal.index}"
        if not options["yes"]:
            yes_or_no(console)
        confirm_names(console, [removal.table], what, options)
    remove(removal, console.say)
    if removal.migration.name.startswith(ADDED_INDEX):
        console.say(f"To add it again: {add_indexes(removal.table)}")
    return 0


def yes_or_no(console: Console) -> None:
    """Raises CommandError without a yes."""
    if not console.agreed("Do this? [yes/no] "):
        raise CommandError("Nothing was changed: not confirmed. Use --yes to skip the confirmation.")

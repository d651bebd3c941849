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
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console
from opsportal.tables.costs import MILLION, money
from opsportal.tables.prices import price_list, without_price


def index_lines(todo: Plan) -> list[str]:
    """What the indexes of the plan cost, whose the tables are, and how an index is taken back."""
    added = [one for one in todo.planned if one.index]
    lines = [line for one in added for line in _cost_lines(one)]
    for name in dict.fromkeys(one.table.name for one in added if one.foreign):
        lines += [
            f"{name} is another program's table: the ledger does not say that migrate created it. Once an index is "
            "there, DynamoDB refuses mistyped writes of that program too."
        ]
    return lines + [
        f"To take {one.index.name} back: {drop_index(one.table, one.index.name)}"
        for one in added
        if one.index
    ]


def _cost_lines(one: Planned) -> list[str]:
    index, backfill = one.index, one.outlook.backfill
    if index is None or backfill is None:
        return []
    about = "at least" if backfill.least else "about"
    said = f"{index.name}: the backfill writes {about} {backfill.units:,} write units, of about {backfill.items:,} items"
    if backfill.capacity:
        seconds = backfill.units / backfill.capacity
        said += (
            f", in the index's own capacity of {backfill.capacity:,} write units a second: {seconds / 60:,.0f} min "
            "or longer"
        )
    else:
        said += f", {_price(one.table, backfill.units)}"
    return [f"{said}. From then on each write that changes an item is a write of this index too."]


def _price(table: Binding, units: int) -> str:
    try:
        prices = price_list().of(table.region)
    except ImproperlyConfigured as error:
        return f"price unknown ({error})"
    if prices is None:
        return f"price unknown ({without_price(table.region).rstrip('.')})"
    return f"{money(units * prices.write_million / MILLION)} on demand in {table.region}"


def confirm_names(console: Console, tables: Iterable[Binding], what: str, options: dict[str, Any]) -> None:
    """Outside development, have the name of each of these tables of other programs typed, or given.

    Raises CommandError where it is not.
    """
    if settings.OPSPORTAL_ENV == "dev":
        return
    for name in dict.fromkeys(table.name for table in tables):
        if name in options["confirm_name"]:
            continue
        if options["yes"] or console.ask(f"Type the table's name to {what}: ").strip() != name:
            raise CommandError(
                f"Nothing was changed: the name of {name}, a table of another program, was not typed. Where nobody "
                f"can type, use --yes --confirm-name {name}."
            )


def drop(console: Console, options: dict[str, Any]) -> int:
    """`--drop-index`: remove one declared index that `migrate` added, and note it in the ledger."""
    if len(options["table"]) != 1:
        raise CommandError("--drop-index takes an index of one table: name it with --table.")
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
    if console.ask("Do this? [yes/no] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed: nobody said yes. Where nobody can answer, use --yes.")

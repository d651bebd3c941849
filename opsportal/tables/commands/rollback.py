"""``manage.py dynamo rollback``: delete what migrations made, newest first."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.backups import Backup, create_backup
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.migrations import NotFound
from opsportal.dynamo.rollback import Removal, removals, remove
from opsportal.environments import is_strict
from opsportal.tables.commands import Console
from opsportal.tables.commands.migrate import add_selection

HELP = "delete the tables and indexes that migrations made, newest first; asks for each table's name"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--target",
        default="",
        help="only this migration, and the later ones of its table; the console's own tables need its full name",
    )
    add_selection(parser)
    parser.add_argument(
        "--environment", default="", help="OPSPORTAL_ENV, which must be named to delete outside dev and local"
    )


def run(console: Console, options: dict[str, Any]) -> int:
    _refuse_the_wrong_environment(options["environment"])
    try:
        todo = removals(target=options["target"], app=options["app"], tables=options["table"])
    except NotFound as error:
        raise CommandError(str(error)) from error
    for reason in todo.kept:
        console.problem(reason, name="Kept: ")
    if not todo.removals:
        if todo.kept:
            raise CommandError("Nothing was rolled back.")
        console.say("No migration to roll back is applied.")
        return 0
    for removal in todo.removals:
        for line in removal.lines():
            console.say(line)
        if removal.found is not None:
            _confirm(console, removal)
        remove(removal, console.say)
    return 0


def _refuse_the_wrong_environment(named: str) -> None:
    environment = settings.OPSPORTAL_ENV
    if named and named != environment:
        raise CommandError(
            f"--environment says {named}, but OPSPORTAL_ENV is {environment}. Nothing was deleted."
        )
    if is_strict(environment) and not named:
        raise CommandError(
            f"This would delete tables of {environment}. To do that, add --environment {environment}."
        )


def _confirm(console: Console, removal: Removal) -> None:
    name = removal.table.name
    if not removal.index:
        _offer_backup(console, removal)
    what = f"remove {removal.index}" if removal.index else "delete it with all it holds"
    if console.ask(f"Type the table's name to {what}: ").strip() != name:
        raise CommandError(
            f"{name} is kept: its name was not typed. A rollback has to be confirmed by typing it."
        )


def _offer_backup(console: Console, removal: Removal) -> None:
    if isinstance(removal.backups, Unknown) and not removal.backups.denied:
        console.say(f"  no backup can be made first: {removal.backups}")
        return
    if not console.agreed("Make an on-demand backup first? [yes/no] "):
        return
    made = create_backup(removal.table, say=console.say)
    if isinstance(made, Backup):
        console.say(f"  made the backup {made.name}: {made.arn}")
    else:
        raise CommandError(f"No backup was made ({made}), so {removal.table.name} is kept.")

"""``manage.py dynamo ...``: create, change, check, price and back up the DynamoDB tables."""

import importlib
import logging
import os
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.console.text import one_line, visible
from opsportal.dynamo.errors import DynamoError
from opsportal.tables.commands import Console, Subcommand

# In the order of a deployment. Each is a module of opsportal.tables.commands, with _ for -.
SUBCOMMANDS = (
    "migrate",
    "status",
    "rollback",
    "verify",
    "doctor",
    "policy",
    "cost",
    "export-terraform",
    "alarms",
    "backup",
    "retention",
    "seed",
)

INTERRUPTED = "Interrupted. What was done until now is done; run the command again to go on."


def subcommand(name: str) -> Subcommand:
    return importlib.import_module(f"opsportal.tables.commands.{name.replace('-', '_')}")


class Command(BaseCommand):
    help = "Create, change, check, price and back up the DynamoDB tables."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        for name in SUBCOMMANDS:
            module = subcommand(name)
            module.add_arguments(commands.add_parser(name, help=module.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        # What fails is said in sentences; the log's traces would stand between the lines.
        known = [logging.getLogger(name) for name in ("opsportal.dynamo.errors", "botocore.credentials")]
        levels = [logger.level for logger in known]
        for logger in known:
            logger.setLevel(logging.NOTSET if options["verbosity"] > 1 else logging.CRITICAL)
        try:
            self._run(options)
        finally:
            for logger, level in zip(known, levels, strict=True):
                logger.setLevel(level)

    def _run(self, options: dict[str, Any]) -> None:
        try:
            status = subcommand(options["command"]).run(Console(self.stdout.write), options)
        except DynamoError as error:
            said = one_line(f"{error.sentence} {error.fix}".strip())
            raise CommandError("\n".join(filter(None, (said, visible(error.statement))))) from error
        except CommandError as error:
            raise CommandError(visible(str(error))) from error
        except KeyboardInterrupt:
            # Each step that changes something may be repeated, so nothing else is left to say.
            raise CommandError(INTERRUPTED, returncode=128 + signal.SIGINT) from None
        except BrokenPipeError:
            # The reader, `head` say, has enough. What was not written yet must not fail again at the exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 1
        if status:
            sys.exit(status)

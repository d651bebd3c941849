"""``manage.py worker``: send what actions left to be sent, delete what they left to be deleted."""

import signal
import threading
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.dynamo.calls import watch
from opsportal.operations.backlog import Measure
from opsportal.operations.worker import CHORES, pulse, run
from opsportal.telemetry import calls
from opsportal.telemetry.worker_port import WorkerPort


class Command(BaseCommand):
    help = "Carry out what actions left to be done. Safe to run many times at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", action="append", default=[], choices=sorted(CHORES), help="repeatable")
        parser.add_argument("--once", action="store_true", help="do what is due, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        only = tuple(options["only"])
        with ExitStack() as stack:
            if settings.METRICS_WORKER_PORT and not options["once"]:
                stack.callback(self._open_port().close)
                # Somebody may ask: whatever else it does, it looks how much is left.
                CHORES["backlog"] = Measure()
                only = (*only, "backlog") if only else ()
            calls.watch()
            # A chore may be long; as long as it gets answers, it does not hang.
            watch(lambda call: pulse.beat())
            done = run(only, stop, once=options["once"])
        self.stdout.write(f"{done} done.")

    def _open_port(self) -> WorkerPort:
        host, port = settings.METRICS_WORKER_HOST, settings.METRICS_WORKER_PORT
        try:
            return WorkerPort(host, port, lambda: pulse.idle_seconds)
        except OSError as error:
            raise CommandError(
                f"METRICS_WORKER_PORT: the worker can't listen on {host}:{port}: {error}. "
                "Each worker of a machine needs a port of its own."
            ) from error

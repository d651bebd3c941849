"""``manage.py worker``: send what actions left to be sent, delete what they left to be deleted."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from opsportal.operations.worker import CHORES, run


class Command(BaseCommand):
    help = "Carry out what actions left to be done. Safe to run many times at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", action="append", default=[], choices=sorted(CHORES), help="repeatable")
        parser.add_argument("--once", action="store_true", help="do what is due, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        done = run(tuple(options["only"]), stop, once=options["once"])
        self.stdout.write(f"{done} done.")

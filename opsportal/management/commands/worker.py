"""``manage.py worker``: the tasks that run beside the console, until it is stopped."""

import signal
import threading
from contextlib import closing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.failures.gauge import OPEN_CASES
from opsportal.jobs.gauge import OPEN_JOBS
from opsportal.operations.outbox import BACKLOG
from opsportal.operations.tasks import Worker, leave_modules_to_themselves, registered
from opsportal.telemetry import calls
from opsportal.telemetry.worker_port import WorkerPort


class Command(BaseCommand):
    help = "Send due messages and run the background tasks. Several workers may run at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", action="append", default=[], choices=sorted(registered()), help="repeatable"
        )
        parser.add_argument("--once", action="store_true", help="do what is due, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        tasks = [
            task for name, task in registered().items() if not options["only"] or name in options["only"]
        ]
        calls.watch()
        if not options["once"]:
            leave_modules_to_themselves()
        if options["once"]:
            done = Worker(tasks).once(stop)
        elif settings.METRICS_WORKER_PORT:
            # Whatever else it does, its figures say how much is left.
            worker = Worker([*tasks, BACKLOG, OPEN_JOBS, OPEN_CASES])
            with closing(self._open_port(worker)):
                done = worker.run(stop)
        else:
            done = Worker(tasks).run(stop)
        self.stdout.write(f"{done} done.")

    def _open_port(self, worker: Worker) -> WorkerPort:
        host, port = settings.METRICS_WORKER_HOST, settings.METRICS_WORKER_PORT
        try:
            return WorkerPort(host, port, worker.overdue)
        except OSError as error:
            raise CommandError(
                f"METRICS_WORKER_PORT: the worker can't listen on {host}:{port}: {error}. "
                "Each worker of a machine needs a port of its own."
            ) from error

"""gunicorn's settings, in development and in production: gunicorn -c opsportal/gunicorn_conf.py opsportal.wsgi

Set by environment: WEB_BIND, WEB_CONCURRENCY (workers), WEB_THREADS, WEB_KEEPALIVE, WEB_REQUEST_SECONDS,
WEB_STALL_SECONDS (opsportal.server.environment), LOG_FORMAT. ``--bind`` and every other option can be given on the
command line. The access log is written by the console itself, which knows who asked and what it cost
(opsportal.telemetry.access_log).

The master loads the application and its workers are forked from it, so that they share its memory. SIGHUP reads this
file again: what outlives it is kept by the server, or by a module. It does not load the application again.
"""

import gc
import logging
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from opsportal.server import memory
from opsportal.server.connection import Socket
from opsportal.server.environment import Numbers, addresses
from opsportal.server.listeners import Listeners, bind_each
from opsportal.server.warming import warm
from opsportal.supervisor import signal_on_parent_death
from opsportal.telemetry import crashes
from opsportal.telemetry.logs import FORMATTERS, format_of
from opsportal.telemetry.shared_files import of_this_server as shared_files

try:
    numbers, bind = Numbers.read(os.environ), addresses(os.environ)
except ValueError as error:
    sys.exit(str(error))
# All before the application is loaded, which is right after this file.
memory.one_arena()
shared_files.prepare()
crashes.after_fork = True
OPEN_FILES = 4096


class ConsoleLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines in the form of the console's."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(FORMATTERS.get(format_of(os.environ), logging.Formatter)())

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A reader that went to sleep is no defect of ours, and its trace tells nothing."""
        if isinstance(sys.exception(), BlockingIOError):
            self.warning("A connection stalled for %d s, and was closed.", numbers.stall_seconds)
        else:
            super().exception(msg, *args, **kwargs)


def on_starting(server: Any) -> None:
    """A unit of systemd may open 1,024 files unless it says otherwise; a process keeps up to 1,000 connections.
    Sockets in the file system can't be bound side by side: there all workers share one, of gunicorn's own making."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    server.slots = []
    if sys.platform == "linux" and all(isinstance(address, tuple) for address in server.cfg.address):
        server.slots = bind_each(server.cfg, server.log, server.cfg.workers)
        server.LISTENERS = [sock for slot in server.slots for sock in slot]


def when_ready(server: Any) -> None:
    """What is loaded now, the workers share; frozen, since a collection would write into each object. Of 118 MB that a
    worker had to itself under load, 78 are left (PSS)."""
    server.listeners = Listeners(server.slots or [server.LISTENERS])
    warm()
    gc.collect()
    gc.freeze()
    # A list of fifty was looked through for garbage twice while it was made, and has none: 3 % of its CPU.
    gc.set_threshold(10_000)
    memory.give_back()


def pre_fork(server: Any, worker: Any) -> None:
    server.listeners.give(worker, list(server.WORKERS.values()), server.num_workers)


def post_fork(server: Any, worker: Any) -> None:
    """A worker dies with its master, also when that is killed."""
    signal_on_parent_death(signal.SIGKILL)
    if os.getppid() != server.pid:
        os._exit(126)
    crashes.start_here()


def post_worker_init(worker: Any) -> None:
    """How long a worker waits for slow peers. The limits of the listener count where gunicorn itself ends TLS; Linux
    gives them to what it accepts."""
    from django.apps import apps
    from django.conf import settings

    if apps.ready:  # else another application is served
        from opsportal.console import admission
        from opsportal.server.paths import loads

        admission.Slot.threads = worker.cfg.threads
        worker.gate.load_of, worker.gate.limit = loads(), admission.limit
    worker.request_seconds = numbers.request_seconds
    worker.max_body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    Socket.stall_seconds = numbers.stall_seconds
    if sys.platform == "linux":
        for listener in worker.sockets:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                listener.sock.setsockopt(
                    socket.SOL_SOCKET, option, struct.pack("@ll", numbers.stall_seconds, 0)
                )


def child_exit(server: Any, worker: Any) -> None:
    server.listeners.ended(worker)
    shared_files.worker_ended(worker.pid)


preload_app = True
worker_class = "opsportal.server.worker.Worker"
workers = numbers.concurrency
# One that waits leaves one for what is not waited for (opsportal.console.admission).
threads = max(2, numbers.threads)
# Longer than a load balancer keeps an idle connection (60 s by default), or it sends a request into one that is
# being closed, and answers 502. An idle connection holds no thread.
keepalive = numbers.keepalive
# Python's way of sending a file by the kernel waits without a limit for a reader that stalls.
sendfile = False
# Longest: a page's DynamoDB deadline (5 s) and its rendering.
graceful_timeout = 10
# Keys may be 2,048 bytes, percent-encoded in the path; 8190 is the most that gunicorn takes.
limit_request_line = 8190
# No path of a proxy's (SCRIPT_NAME, PATH_INFO) comes before ours: docs/proxy.md.
forwarder_headers = ""
# Nothing here steers gunicorn from outside, so there is no socket to do it by.
control_socket_disable = True
logger_class = ConsoleLogger
accesslog = None
loglevel = "warning"
# Workers tell that they live by touching a file; on a busy disk that touch may block.
if Path("/dev/shm").is_dir():  # noqa: S108
    worker_tmp_dir = "/dev/shm"  # noqa: S108

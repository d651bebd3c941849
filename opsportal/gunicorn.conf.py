"""gunicorn's settings, in development and in production: gunicorn -c opsportal/gunicorn.conf.py opsportal.wsgi

Set by environment: WEB_CONCURRENCY (workers), WEB_THREADS, ACCESS_LOG (a path; "-" is standard
output). ``--bind`` and every other option can be given on the command line.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from opsportal.supervisor import signal_on_parent_death


class QuietLogger(Logger):  # type: ignore[misc]
    """No line in the access log for the probes, which come every few seconds."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        if environ.get("PATH_INFO") not in ("/healthz", "/readyz"):
            super().access(resp, req, environ, request_time)


def post_fork(server: Any, worker: Any) -> None:
    """A worker dies with its master, also when that is killed."""
    signal_on_parent_death(signal.SIGKILL)
    if os.getppid() != server.pid:
        os._exit(126)


worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
# Each worker listens by itself and the kernel spreads the connections. With one shared socket, all
# keep-alive connections may land on one worker.
reuse_port = sys.platform == "linux"
# Longest: a page's DynamoDB deadline (5 s) and its rendering.
graceful_timeout = 10
# Keys may be 2,048 bytes, percent-encoded in the path; 8190 is the most that gunicorn takes.
limit_request_line = 8190
# Nothing here steers gunicorn from outside, so there is no socket to do it by.
control_socket_disable = True
logger_class = QuietLogger
accesslog = os.environ.get("ACCESS_LOG", "-")
loglevel = "warning"
# Workers tell that they live by touching a file; on a busy disk that touch may block.
if Path("/dev/shm").is_dir():  # noqa: S108
    worker_tmp_dir = "/dev/shm"  # noqa: S108

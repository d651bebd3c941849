"""gunicorn's settings of the floor: the product's processes, threads and kept connections, and nothing else."""

import gc
from typing import Any

workers, threads, worker_class = 2, 8, "gthread"
keepalive, graceful_timeout = 75, 10
reuse_port = True
worker_tmp_dir = "/dev/shm"  # noqa: S108
control_socket_disable = True
accesslog, loglevel = None, "warning"


def post_worker_init(worker: Any) -> None:
    gc.collect()
    gc.freeze()

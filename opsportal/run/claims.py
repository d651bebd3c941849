"""What one run of the console has for itself: its data directory and its ports."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from opsportal.run.options import RefusalError
from opsportal.supervisor import free_port


@contextlib.contextmanager
def only_run(data_dir: Path, port: int) -> Iterator[None]:
    """Hold DATA_DIR for this process: two engines on one file would both start, and lose data.

    A lock of the kernel's: it is free as soon as its holder has ended, however it ended, so the process
    id in the file is for people and may be stale.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        file = (data_dir / "run.lock").open("a+")
    except OSError as error:
        raise RefusalError(
            f"{data_dir} cannot be used ({error.strerror}); set DATA_DIR to another."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid, _, address = file.read().strip().partition(" ")
            raise RefusalError(
                f"The console already runs from {data_dir} ({address or 'starting'}): stop it with Ctrl-C "
                f"or `kill {pid or '<its process id>'}`, or set DATA_DIR and PORT to run a second one."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()} {address_of(port)}\n")
        file.flush()
        yield


def address_of(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


def hold_port(port: int, variable: str) -> socket.socket:
    """Take a port of loopback for as long as the socket is open, and let only our children share it."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not busy for a minute after a stop
    try:
        holder.bind(("127.0.0.1", port))
    except OSError as error:
        holder.close()
        reason = "is for root alone" if isinstance(error, PermissionError) else "is used by another program"
        raise RefusalError(
            f"Port {port} {reason}: choose another, such as `{variable}={free_port()} make run`."
        ) from error
    # From here on the port is only shared with sockets of this user that, as gunicorn's, ask for it.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return holder

"""What a forked process replaces: locks that a thread of the parent held, the parent's connections, and what is
the parent's to write."""

import logging
import os
import threading
import weakref
from typing import Any, Protocol

logger = logging.getLogger("writers")


class Forkable(Protocol):
    def after_fork(self) -> None: ...


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def watch(thing: Forkable) -> None:
    """Have ``after_fork`` called in every process that is forked from this one."""
    _watched.add(thing)


def watch_client(client: Any) -> None:
    """Have that client of botocore make connections of its own in every process that is forked from this one. On
    one that two processes share, an answer of one reaches the other."""
    _clients.add(client)


def _after_fork() -> None:
    for thing in list(_watched):
        thing.after_fork()
    for client in list(_clients):
        _renew(client)


def _renew(client: Any) -> None:
    """No lock of urllib3 or botocore is waited for: a thread that holds it may not be in this process. The names
    inside of both are not promised to stay: where they are others, the log says so."""
    try:
        session = client._endpoint.http_session
        for manager in (session._manager, *session._proxy_managers.values()):
            pools = manager.pools
            connected = list(pools._container.values())
            _emptied(pools, pools._maxsize, pools.dispose_func)
            for pool in connected:
                if pool.pool is not None:
                    _let_go(pool.pool)
        credentials = client._request_signer._credentials
        if hasattr(credentials, "_refresh_lock"):  # held while another thread asks for new ones
            credentials._refresh_lock = threading.Lock()
    except AttributeError as error:
        logger.warning(
            "this botocore is another inside than the writers know it, and a forked process may share connections "
            "with its parent: make the writer after the fork (%s)",
            error,
        )


def _let_go(connections: Any) -> None:
    """Close this process's side of connections that wait in a queue; the parent's side stays open."""
    waiting = list(connections.queue)
    _emptied(connections, connections.maxsize)
    for connection in waiting:
        if connection is not None:
            connection.close()


def _emptied(container: Any, *arguments: Any) -> None:
    """Empty it, and replace its locks."""
    container.__init__(*arguments)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

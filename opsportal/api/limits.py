"""How many requests a minute, and how many failed logins: counted in the shared cache, so that it holds over all
processes.

A fixed window: at its edge twice the rate can pass. Where the cache can't count in one step (the database's),
requests of the same instant may count as one. It keeps a runaway program from the tables; it is no meter.
"""

import ipaddress
import math
import time

from django.conf import settings
from django.core.cache import caches

WINDOW = 60


def seconds_to_wait(key: str) -> int:
    """Counts one request of `key`; 0 when it may pass, else whole seconds until the next may."""
    return _counted("api-rate", key, settings.API_RATE_LIMIT)


def seconds_after_failure(address: str) -> int:
    """Counts one request of that address that was not let in; 0 while that may be told, else whole seconds that
    it has to wait. Who is let in is not counted: others may share the address."""
    return _counted("api-failed", _network(address), settings.API_FAILED_LIMIT)


def _network(address: str) -> str:
    """Whose it is: of IPv6 anyone has 2^64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(parsed if parsed.version == 4 else ipaddress.ip_network((parsed, 64), strict=False))


def _counted(kind: str, key: str, rate: int) -> int:
    if rate <= 0:
        return 0
    now, cache = time.time(), caches["default"]
    name = f"{kind}:{key}:{int(now // WINDOW)}"
    wait = max(1, math.ceil(WINDOW - now % WINDOW))
    if (cache.get(name) or 0) > rate:  # what is refused writes nothing
        return wait
    if cache.add(name, 1, 2 * WINDOW):
        return 0
    try:
        count = cache.incr(name)
    except ValueError:  # thrown out in between
        return 0
    return 0 if count <= rate else wait

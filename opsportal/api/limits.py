"""How many requests a minute: counted in the shared cache, so that it holds over all processes.

A fixed window: at its edge twice the rate can pass. Where the cache can't count in one step (the database's),
requests of the same instant may count as one. It keeps a runaway program from the tables; it is no meter.
"""

import math
import time

from django.conf import settings
from django.core.cache import caches

WINDOW = 60


def seconds_to_wait(key: str) -> int:
    """Counts one request of `key`; 0 when it may pass, else whole seconds until the next may."""
    rate = settings.API_RATE_LIMIT
    if rate <= 0:
        return 0
    now, cache = time.time(), caches["default"]
    name = f"api-rate:{key}:{int(now // WINDOW)}"
    if cache.add(name, 1, 2 * WINDOW):
        return 0
    try:
        count = cache.incr(name)
    except ValueError:  # thrown out in between
        return 0
    return 0 if count <= rate else max(1, math.ceil(WINDOW - now % WINDOW))

"""Time that passes for the minute's sample of a table."""

from dataclasses import replace
from datetime import timedelta

from django.core.cache import caches

from opsportal.dynamo import shared
from opsportal.dynamo.sampling import FRESH_SECONDS
from opsportal.dynamo.tables import bindings


def _keys() -> list[str]:
    return [f"shared:{shared.FORMAT}:sample:{table.fingerprint}" for table in bindings()]


def forget() -> None:
    """As if there had been no samples."""
    caches["default"].delete_many(_keys())


def next_minute() -> None:
    """As if the samples had been taken more than a minute ago, and this process had no copy of them."""
    cache = caches["default"]
    for key in _keys():
        if kept := cache.get(key):
            cache.set(key, replace(kept, at=kept.at - timedelta(seconds=FRESH_SECONDS + 1)), 3_600)
    caches["process"].clear()

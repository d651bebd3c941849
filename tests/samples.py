"""Time that passes for what the deployment shares: the minute's samples of tables, and the overview's figures."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.cache import caches

from opsportal.dynamo import shared
from opsportal.dynamo.sampling import FRESH_SECONDS


def _keys() -> list[str]:
    cache: Any = caches["default"]
    found = [key.removeprefix(":1:") for key in list(cache._cache)]
    return [key for key in found if key.startswith(("shared:", "turns:"))]


def forget() -> None:
    """As if nothing had been read for all."""
    caches["default"].delete_many(_keys())


def next_minute() -> None:
    """As if the samples had been taken more than a minute ago, and the partitions looked for, and this process had no
    copy of them."""
    later(FRESH_SECONDS + 1)


def later(seconds: float = 11) -> None:
    """As if everything that is shared had been computed so much earlier, and this process had no copy of it."""
    cache, keys = caches["default"], _keys()
    for key, kept in cache.get_many(keys).items():
        if isinstance(kept, shared.Shared):
            passed = timedelta(seconds=seconds)
            tried = kept.tried and kept.tried - passed
            cache.set(key, replace(kept, at=kept.at - passed, tried=tried), 3_600)
    caches["process"].clear()

"""How a list's newest items were spread over its partitions, so that its next page asks each for about what it gives.

A hint of this process: where it is wrong a page makes further calls, and shows the same.
"""

import hashlib
from collections.abc import Mapping, Sequence

from django.core.cache import caches

from opsportal.dynamo.tables import Binding, Index

# Seconds. Polls renew it; after a pause the first page asks all partitions for the same number.
LIFE = 600
Shares = Mapping[str, int]


def _key(table: Binding, index: Index, partitions: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(sorted(partitions)).encode(errors="replace")).hexdigest()[:20]
    return f"shares:{table.fingerprint}:{index.name}:{digest}"


def known(table: Binding, index: Index, partitions: Sequence[str]) -> Shares:
    """Rows that each partition gave to the last page of these; {} where that is not known. One alone gives all."""
    if len(partitions) == 1:
        return {partitions[0]: 1}
    found: Shares = caches["process"].get(_key(table, index, partitions)) or {}
    return found


def remember(table: Binding, index: Index, partitions: Sequence[str], rows: Shares) -> None:
    if len(partitions) > 1 and any(rows.values()):
        caches["process"].set(_key(table, index, partitions), dict(rows), LIFE)


def chunk(shares: Shares, partition: str, rows: int) -> int:
    """Of so many rows those that the partition will give, rounded up."""
    total = sum(shares.values())
    return -(-shares.get(partition, 0) * rows // total) if total else 0

"""The failures of what no index holds, from the minute's sample of a table.

Its rows are as old as a reading of the whole table, so their times do not say which are new: those that were counted are
kept, as a hash of the item's key and of when it failed, for as long as the sample has them.
"""

import hashlib
import zlib
from collections.abc import Iterable
from datetime import datetime

from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.samples import Sample, for_table
from opsportal.dynamo.sampling import FRESH_SECONDS
from opsportal.dynamo.tables import Index
from opsportal.failures.failure import Source
from opsportal.failures.mark import Mark

# Bytes of a hash. Of two thousand rows, no two have the same.
HASH_BYTES = 8


def due(source: Source, mark: Mark, now: datetime, index: Index | None) -> Sample | None:
    """The sample, where it was not counted yet. Raises `DynamoError` where a table without an index can't be sampled."""
    if mark.sampled_at and (now - mark.sampled_at).total_seconds() < FRESH_SECONDS:
        return None
    sample = for_table(source.sampled)
    if sample.at is None:
        if sample.failed and index is None:
            raise sample.failed
        return None
    return sample if sample.at != mark.sampled_at else None


def failures(sample: Sample, index: Index | None) -> list[tuple[str, Raw]]:
    """(digest of the key, item as it is kept) of the rows that no index holds."""
    return [(sample.spec.table.key_in(row.item).digest, row.item) for row in sample.outside(index)]


def complete_to(sample: Sample, began: datetime) -> datetime:
    """All that failed until then was seen."""
    kept = sample.kept
    if kept is None or kept.last is None or sample.at is None:
        return began
    return max(began, sample.at if kept.start is None else kept.last.began)


def hash_of(digest: str, at: datetime) -> bytes:
    return hashlib.blake2b(f"{digest} {at.isoformat()}".encode(), digest_size=HASH_BYTES).digest()


def packed(hashes: Iterable[bytes]) -> Raw:
    return {"seen": {"B": zlib.compress(b"".join(sorted(hashes)), 1)}}


def seen_in(raw: Raw) -> set[bytes]:
    """Empty for what no version of the console wrote."""
    try:
        whole = zlib.decompress(bytes(raw["seen"]["B"]))
    except (KeyError, TypeError, zlib.error):
        return set()
    return {whole[at : at + HASH_BYTES] for at in range(0, len(whole), HASH_BYTES)}

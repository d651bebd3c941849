"""The statuses that the items of a table have, as far as its index or the minute's sample shows them."""

from collections.abc import Sequence
from dataclasses import replace

from opsportal.dynamo import samples
from opsportal.dynamo.partitions import Partitions, partitions
from opsportal.dynamo.sampling import Sampled


def statuses(spec: Sampled, known: Sequence[str]) -> Partitions:
    """The known and the seen statuses; without the index those that the sample has. Raises `DynamoError`."""
    at = spec.found()
    if at.index is None:
        seen = tuple(dict.fromkeys((*known, *samples.of(spec).statuses)))
        return Partitions(seen, complete=False, reason=at.why)
    return partitions(spec.table, at.index, known)


def all_statuses(spec: Sampled, known: Sequence[str]) -> Partitions:
    """Also those that only items outside the index have."""
    found, outside = statuses(spec, known), samples.of(spec).statuses
    return replace(
        found,
        values=tuple(dict.fromkeys((*found.values, *outside))),
        seen=tuple(dict.fromkeys((*found.seen, *outside))),
    )


def spelled(status: str, among: Sequence[str]) -> list[str]:
    """The spellings of `status` among the partitions: `PENDING` is pending to a person."""
    return [value for value in among if value.lower() == status.lower()] or [status]

"""What is read alike of the tables whose items come to an end: their statuses, and the figures of the overview."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from opsportal.dynamo import samples
from opsportal.dynamo.lists import List
from opsportal.dynamo.pages import Page, Sampling
from opsportal.dynamo.partitions import Partitions, Recent, partitions
from opsportal.dynamo.sampling import Sampled


@dataclass(frozen=True)
class StatusReads:
    """`listed`: the documented and the configured statuses; `times`: the attributes of an item that say when it began
    and how long it took. Each read raises `DynamoError`."""

    spec: Sampled
    listed: Callable[[], Sequence[str]]
    times: tuple[str, ...]

    def statuses(self) -> Partitions:
        """The listed and the seen statuses; without the index those that the minute's sample has."""
        at = self.spec.found()
        if at.index is None:
            seen = tuple(dict.fromkeys((*self.listed(), *samples.for_table(self.spec).statuses)))
            return Partitions(seen, complete=False, reason=at.why)
        return partitions(self.spec.table, at.index, self.listed())

    def all_statuses(self) -> Partitions:
        """Also those that only items outside the index have."""
        found, outside = self.statuses(), samples.for_table(self.spec).statuses
        return replace(
            found,
            values=tuple(dict.fromkeys((*found.values, *outside))),
            seen=tuple(dict.fromkeys((*found.seen, *outside))),
        )

    def outside_index(self, *, purpose: str, cursor: str = "") -> Page:
        """Items that the index can't hold, because one of its keys is no text, as far as they are known."""
        return List(self.spec, self.spec.found(), ()).outside(purpose=purpose, cursor=cursor)

    def recent(self, since: datetime) -> list[tuple[str, Recent]]:
        """What was created since then, by status, capped: by the index and, outside it, by the sample."""
        return samples.recent(self.spec, self.spec.found(), self.statuses().values, since, self.times)

    def sampled(self) -> tuple[Sampling, list[str]]:
        """The sample behind the figures, and what must be said of it, in sentences."""
        return samples.said(self.spec, self.spec.found())


def spelled(status: str, among: Sequence[str]) -> list[str]:
    """The spellings of `status` among the partitions: `PENDING` is pending to a person."""
    return [value for value in among if value.lower() == status.lower()] or [status]

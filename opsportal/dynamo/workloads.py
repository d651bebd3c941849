"""What a table's documents expect of its traffic: the ground of a cost estimate, never of a limit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """The traffic of one table, per event of a kind ("workflow", "request"), of which there are `per_day`.

    `writes` and `reads`: of items, per event; `items`: new ones per event; `item_bytes`: the size of one.
    `moves`: index -> how many of the writes change its key, which DynamoDB carries out as a deletion and an
    insertion. `kept_days`: how long an item lives. `source` says who says so.
    """

    event: str
    per_day: int
    writes: int
    reads: int
    item_bytes: int
    kept_days: int
    source: str
    items: int = 1
    moves: tuple[tuple[str, int], ...] = ()

    def moved(self, index: str) -> int:
        """Writes per event that change the key of that index."""
        return dict(self.moves).get(index, 0)

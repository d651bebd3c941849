"""Whether each table is as the console needs it: declared against deployed, and what its items look like."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import Deployed, Unknown, deployed, or_unknown
from opsportal.dynamo.descriptions import Twins
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.structure import NONE
from opsportal.dynamo.tables import Binding
from opsportal.tables.drift import Difference, Point, points
from opsportal.tables.locate import endpoint_hint, look_for
from opsportal.tables.shapes import Sample, sample
from opsportal.tables.write_test import WriteTest, write_test

# The point whose difference is that there is nothing to compare.
TABLE = "table"


@dataclass
class Verification:
    """One table's. `found` is None where it could not be described, which is then a difference. `twin`: the table of
    another region that it is too, where an engine knows none; it was verified there."""

    table: Binding
    found: Deployed | None = None
    points: list[Point] = field(default_factory=list)
    sample: Sample | Unknown | None = None
    written: WriteTest | None = None
    twin: Binding | None = None

    @property
    def differences(self) -> list[Difference]:
        return [point for point in self.points if isinstance(point, Difference)]

    @property
    def breaks(self) -> int:
        """How much of it breaks the console: differences, and the write test that was asked for."""
        failed = self.written is not None and not self.written.passed
        return sum(difference.breaks for difference in self.differences) + failed


def verify(tables: Iterable[Binding], *, sample_size: int = 0, write: bool = False) -> Iterator[Verification]:
    """Compare each table; look at up to `sample_size` items; with `write` put, read and delete one.

    Never raises `DynamoError`: a table that can't be described is a difference. A place that does not answer, or
    refuses the credentials, is asked once only, since that alone may take minutes.
    """
    breaker, twins = CircuitBreaker(), Twins()
    for table in tables:
        made = Verification(table)
        try:
            made.found = breaker.ask(table, deployed)
            made.twin = twins.of(table, made.found)
            if made.twin is None:
                _verify(made, made.found, sample_size, write=write)
        except TableMissing as gone:
            made.points.append(_missing(table, gone))
        except DynamoError as problem:
            made.points.append(_untold(table, problem))
        yield made


def _verify(made: Verification, found: Deployed, sample_size: int, *, write: bool) -> None:
    table = made.table
    made.points += points(table, found)
    if sample_size:
        made.sample = or_unknown(table, lambda: sample(table, found, sample_size))
    if write:
        made.written = write_test(table, found)


def _missing(table: Binding, gone: TableMissing) -> Difference:
    sighting = look_for(table)
    if sighting.fix:
        return _not_there(table, NONE, sighting.fix)
    denied = " or ".join(sighting.denied)
    looked = f"IAM does not allow the console to check whether it is {denied}." if denied else ""
    return _not_there(table, NONE, gone.fix, endpoint_hint(table), looked)


def _untold(table: Binding, problem: DynamoError) -> Difference:
    return _not_there(table, problem.sentence, problem.fix, " ".join(problem.statement.split()))


def _not_there(table: Binding, deployed: str, *fixes: str) -> Difference:
    fix = " ".join(fix if fix[-1] in ".:}" else f"{fix}." for fix in fixes if fix)
    return Difference(TABLE, f"{table.name} in {table.region}", deployed, breaks=True, fix=fix)

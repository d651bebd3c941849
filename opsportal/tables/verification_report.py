"""A verification as lines for a terminal, and as JSON. Foreign text is made harmless in both."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from opsportal.console.text import excerpt, one_line
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.index_samples import share
from opsportal.dynamo.structure import NONE
from opsportal.dynamo.tables import Binding
from opsportal.tables.columns import columns
from opsportal.tables.drift import Agreement, Point
from opsportal.tables.shapes import Oddity, Sample, Shape
from opsportal.tables.verification import TABLE, Verification
from opsportal.tables.write_test import WriteTest

# A table may hold any number of attributes, and of odd ones; JSON has them all.
MAX_LINES = 40
KEY_LENGTH = 60
# The tallies of a sample, and the word that begins their lines.
ODDITIES = (("odd", "unread"), ("undocumented", "value"), ("unindexed", "index"))


def lines(made: Verification) -> Iterator[str]:
    """One table's, aligned."""
    table = made.table
    where = f"{table.name} in {table.region}" + (f" at {table.endpoint}" if table.endpoint else "")
    yield one_line(f"{table.logical}: {where}")
    if made.twin:
        yield from _entry("", same_as(made.twin))
    width = max((len(point.point) for point in made.points), default=0)
    for point in made.points:
        yield from _point(point, width)
    if isinstance(made.sample, Unknown):
        yield from _entry("unknown", f"sampled items: {made.sample}", " ".join(made.sample.statement.split()))
    elif made.sample is not None:
        yield from _sample(made.sample)
    if made.written is not None:
        yield from _written(made.written)


def same_as(twin: Binding) -> str:
    """Of a table that was reported already."""
    return f"the same table as in {twin.region}: what answers here knows no regions"


def summary(verifications: list[Verification]) -> str:
    breaks = sum(made.breaks for made in verifications)
    found = [difference for made in verifications for difference in made.differences]
    notes = sum(not difference.breaks and not difference.unknown for difference in found)
    unknown = sum(difference.unknown for difference in found)
    counts = [f"{_counted(breaks, 'finding')} that {'breaks' if breaks == 1 else 'break'} the console"]
    counts += [_counted(notes, "note")] if notes else []
    counts += [f"{_counted(unknown, 'point')} unknown here"] if unknown else []
    tables = sum(made.twin is None for made in verifications)
    return f"{_counted(tables, 'table')} verified: {', '.join(counts)}."


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _entry(word: str, text: str, *more: str) -> Iterator[str]:
    """A line, and below it those of `more` that say anything: what it means, what to do."""
    yield one_line(f"  {word:<8} {text}")
    for line in filter(None, more):
        yield one_line(f"  {'':<8}   {line}")


def _point(point: Point, width: int) -> Iterator[str]:
    name = f"{point.point:<{width}}"
    if isinstance(point, Agreement):
        yield from _entry("ok", f"{name}  {point.deployed}")
    elif point.unknown:
        yield from _entry("unknown", f"{name}  {point.deployed}", point.fix)
    else:
        said = f"declared {point.declared}, deployed {point.deployed}"
        if point.point == TABLE:
            said = "does not exist" if point.deployed == NONE else point.deployed
        yield from _entry(
            "BREAKS" if point.breaks else "note", f"{name}  {said}", point.consequence, point.fix
        )


# --- The sample -------------------------------------------------------------------------------------------


def _sample(made: Sample) -> Iterator[str]:
    units = f"{made.read_units.normalize():f} read unit{'' if made.read_units == 1 else 's'}"
    if not made.read:
        yield from _entry("items", f"the table is empty ({units})")
        return
    if made.whole:
        said = f"all {made.read:,} read ({units})"
    else:
        said = f"{made.read:,} of about {max(made.about, made.read):,} read ({units}); DynamoDB counts every six hours"
    yield from _entry("items", said)
    shapes = sorted(made.shapes.values(), key=lambda shape: (not shape.known, -shape.present, shape.name))
    yield from _shapes(shapes[:MAX_LINES], made.read)
    yield from _left_out(len(shapes) - MAX_LINES, "attributes")
    for name, word in ODDITIES:
        counts: dict[str, Oddity] = getattr(made, name)
        found = sorted(counts.values(), key=lambda oddity: -oddity.count)
        for oddity in found[:MAX_LINES]:
            example = excerpt(oddity.example, KEY_LENGTH)
            what = excerpt(oddity.what, 200)
            yield from _entry(word, f"{what}, in {oddity.count:,} of {made.read:,} (such as {example})")
        yield from _left_out(len(found) - MAX_LINES, "kinds of this")


def _shapes(shapes: list[Shape], read: int) -> Iterator[str]:
    rows = [("present", "type", "attribute", "")]
    for shape in shapes:
        types = ", ".join(
            kind if len(shape.types) == 1 else f"{kind} {count:,}"
            for kind, count in shape.types.most_common()
        )
        unknown = "" if shape.known else "in the raw view only"
        rows.append((share(shape.present, read), types, excerpt(shape.name, KEY_LENGTH), unknown))
    for line in columns(rows, left=(1, 2, 3)):
        yield from _entry("", line)


def _left_out(number: int, what: str) -> Iterator[str]:
    if number > 0:
        yield from _entry("", f"and {number:,} more {what}: --json has them all")


# --- The write test ---------------------------------------------------------------------------------------


def _written(made: WriteTest) -> Iterator[str]:
    did = ", ".join(made.done) or "nothing"
    if made.passed:
        yield from _entry("written", f"{did}: one marked item, {_key(made)}")
    else:
        yield from _entry("BREAKS", f"write test ({did} succeeded): {made.problem}", made.fix)


def _key(made: WriteTest) -> str:
    return " / ".join(value["S"] for value in made.key.values())


# --- JSON -------------------------------------------------------------------------------------------------


def as_data(verifications: list[Verification]) -> dict[str, Any]:
    """For ``--json``: plain data."""
    return {
        "environment": settings.OPSPORTAL_ENV,
        "ok": not any(made.breaks for made in verifications),
        "tables": [_table_data(made) for made in verifications],
    }


def _table_data(made: Verification) -> dict[str, Any]:
    table = made.table
    return {
        "table": table.logical,
        "name": table.name,
        "region": table.region,
        "endpoint": table.endpoint,
        "same_as_in": made.twin.region if made.twin else None,
        "breaks": made.breaks,
        "points": [_point_data(point) for point in made.points],
        "sample": _sample_data(made.sample),
        "write_test": None if made.written is None else vars(made.written) | {"passed": made.written.passed},
    }


def _point_data(point: Point) -> dict[str, Any]:
    if isinstance(point, Agreement):
        return {"outcome": "ok", **vars(point)}
    outcome = "unknown" if point.unknown else "breaks" if point.breaks else "note"
    said = ("point", "declared", "deployed", "consequence")
    return {"outcome": outcome, **{name: getattr(point, name) for name in said}, "mend": point.fix}


def _sample_data(made: Sample | Unknown | None) -> dict[str, Any] | None:
    if made is None:
        return None
    if isinstance(made, Unknown):
        return {"unknown": made.why, "statement": made.statement}
    return {
        "read": made.read,
        "about": made.about,
        "whole": made.whole,
        "calls": made.calls,
        "read_units": float(made.read_units),
        "attributes": [vars(shape) for shape in made.shapes.values()],
    } | {name: [vars(oddity) for oddity in getattr(made, name).values()] for name, _ in ODDITIES}

"""A table's keys and indexes as deployed against what the console needs: each flaw, what it means, what to do.

The one source of these words: for the pages and the API (by `errors`), the overview, `verify`, `migrate`,
`doctor` and the tables' pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from opsportal.dynamo.descriptions import DeployedIndex, Description, describe
from opsportal.dynamo.exceptions import DynamoError, KeyMismatch, SortKey
from opsportal.dynamo.fixes import add_indexes, assign, create_index, delete_index, recreate, setting
from opsportal.dynamo.tables import Binding, Index

NONE = "none"


@dataclass(frozen=True)
class Flaw:
    """A point in which a table is not as the console needs it. `sentence` begins with what "The table" is or has.

    `breaks`: what the console does fails or is slower by it, so that it is a problem and no note; `index`: the
    declared index that it is about, `missing` where there is none; `passing`: it is over by itself.
    """

    point: str
    declared: str
    deployed: str
    sentence: str
    consequence: str
    fix: str
    breaks: bool = True
    index: Index | None = None
    missing: bool = False
    passing: bool = False


def key_flaws(table: Binding, found: Description) -> list[Flaw]:
    """What is wrong with the primary key, the worst first; [] where it is the configured one."""
    return [*_sort_key(table, found), *_types(table, found), *_partition_key(table, found)]


def index_flaws(table: Binding, found: Description) -> list[Flaw]:
    """What is wrong with the declared indexes, in their order. An optional one's absence is one that breaks
    nothing."""
    return [flaw for index in table.spec.indexes for flaw in _index(table, found, index)]


def used_for(table: Binding, found: Description, index: Index) -> DeployedIndex | None:
    """The deployed index that serves for the declared one: whatever its name where its keys fit and it holds all
    attributes, usable or still being built; else the one of that name. The console's own tables are asked by name."""
    named = next((deployed for deployed in found.indexes if deployed.name == index.name), None)
    if not setting(table, "TABLE"):
        return named
    alike = (one for one in found.indexes if keys_of(one) == index.keys and one.projection == "ALL")
    return found.index_on(index.hash_key, index.range_key) or named or next(alike, None)


def keys_of(index: DeployedIndex) -> str:
    """Of an index as deployed, which may have several attributes of a kind, for people."""
    return ", ".join(name for name, _ in index.keys) or ", ".join(
        filter(None, (index.hash_key, index.range_key))
    )


def without(table: Binding, index: Index) -> str:
    """What the absence of a declared index means."""
    if not setting(table, "TABLE"):  # one of the console's own, which nothing but the index finds items of
        return f"{_first_upper(index.serves)} fail."
    return (
        f"Without it the console reads the table by a bounded scan for {index.serves}, which is slower, costs more "
        "read units and is said on the page."
    )


# --- As errors ------------------------------------------------------------------------------------------


def key_mismatch(table: Binding, detail: str = "") -> KeyMismatch:
    """The error of a table whose primary key is not the one that its settings, or for an internal table its
    declaration, name."""
    fix = f"Set DYNAMODB_{table.logical.upper()}_KEY to the table's partition key (python manage.py dynamo verify --table {table.logical} names it); the console does not support a table with a sort key."
    if table.logical not in settings.DYNAMO_TABLES:
        fix = "It is another program's under the name of one of the console's own: move it away, then run python manage.py dynamo migrate."
    sort_key = f" and the sort key {table.spec.range_key!r}" if table.spec.range_key else " alone"
    return KeyMismatch(
        f"{table.name} in {table.region} does not have the partition key {table.key!r}{sort_key} as its primary key.",
        fix,
        detail=detail,
    )


def described_mismatch(table: Binding) -> KeyMismatch | None:
    """The same with the primary key that the table of the settings does have; None where it fits or may not be
    described."""
    if table.logical not in settings.DYNAMO_TABLES:
        return None
    try:
        flaws = key_flaws(table, describe(table))
    except DynamoError:
        return None
    if not flaws:
        return None
    kind = SortKey if flaws[0].point == "sort key" else KeyMismatch
    return kind(flaws[0].sentence, flaws[0].fix)  # DynamoDB's own words say less


# --- The primary key -------------------------------------------------------------------------------------


def _sort_key(table: Binding, found: Description) -> Iterator[Flaw]:
    declared = table.spec.range_key
    if found.range_key == declared:
        return
    if declared:
        sentence = (
            f"The table {_where(table)} has the sort key {found.range_key or NONE!r}, not {declared!r}."
        )
        consequence = "It is not the console's own: nothing is read from it or written to it."
        fix = recreate(table)
    elif not setting(table, "TABLE"):
        sentence = (
            f"The table {_where(table)} has a sort key {found.range_key!r}, and the console's own has none."
        )
        consequence = "It is not the console's own: nothing is read from it or written to it."
        fix = recreate(table)
    else:
        sentence = f"The table {_where(table)} has a sort key {found.range_key!r}, which the console does not support."
        consequence = (
            "The console finds an item by its partition key alone, so every page of one item, every action and "
            "the API's answers about one item fail; a list may show several items under one id."
        )
        fix = (
            f"If another table was meant, set {setting(table, 'TABLE')} to it. To show this one, keep a copy "
            f"whose primary key is a partition key alone: python manage.py dynamo migrate --table {table.logical} "
            f"creates a table under a name that {setting(table, 'TABLE')} gives, and a function on this table's "
            "stream writes the newest version of each item into it."
        )
    yield Flaw("sort key", declared or NONE, found.range_key or NONE, sentence, consequence, fix)


def _partition_key(table: Binding, found: Description) -> Iterator[Flaw]:
    if found.key == table.key:
        return
    variable = setting(table, "KEY")
    fits = found.attribute_types.get(found.key, "S") == "S" and found.range_key == table.spec.range_key
    yield Flaw(
        "partition key",
        table.key,
        found.key,
        f"The table {_where(table)} has the partition key {found.key!r}, but the console is configured for {table.key!r}.",
        "Every page of one item, every action and the API's answers about one item fail.",
        f"The deployed key is {found.key}: {assign(variable, found.key)}"
        if variable and fits
        else recreate(table),
    )


def _types(table: Binding, found: Description) -> Iterator[Flaw]:
    """Every key attribute of every document is a string, and the console asks with strings."""
    for name in filter(None, (found.key, found.range_key)):
        deployed = found.attribute_types.get(name, "S")
        if deployed != "S":
            yield Flaw(
                f"type of {name}",
                "S",
                deployed,
                f"The key attribute {name!r} of the table {_where(table)} is of type {deployed}, and the console asks with a text (S).",
                "Every page of one item, every action and the API's answers about one item fail.",
                recreate(table),
            )


# --- Indexes ---------------------------------------------------------------------------------------------


def _index(table: Binding, found: Description, index: Index) -> Iterator[Flaw]:
    deployed = used_for(table, found, index)
    breaks = not index.optional  # that one is only used where it is as declared
    consequence = without(table, index)
    if deployed is None:
        foreign = setting(table, "TABLE")
        yield Flaw(
            f"index {index.name}",
            index.keys,
            NONE,
            f"The table {_where(table)} lacks the index {index.name} on ({index.keys}).",
            consequence,
            add_indexes(table) if foreign else create_index(table, found, index),
            breaks,
            index,
            missing=True,
        )
        return
    again = _again(table, deployed)
    has = f"The index {deployed.name} of the table {_where(table)}"
    keys = keys_of(deployed)
    if keys != index.keys:
        sentence = f"{has} is on ({keys}), not on ({index.keys})."
        yield Flaw(f"keys of {index.name}", index.keys, keys, sentence, consequence, again, breaks, index)
        return
    for name in filter(None, (index.hash_key, index.range_key)):
        kind = found.attribute_types.get(name, "S")
        if kind != "S" and name not in (found.key, found.range_key):  # said with the table's key
            sentence = f"{has} has {name} as a key of type {kind}, and the console asks with a text (S)."
            yield Flaw(
                f"type of {name} in {index.name}", "S", kind, sentence, consequence, again, breaks, index
            )
    if less := _less_projected(table, index, deployed):
        declared = f"INCLUDE {', '.join(index.include)}" if index.include else "ALL"
        sentence = f"{has} projects {less}, not {declared}."
        lacking = f"{_first_upper(index.serves)} lack attributes of their items, or fail."
        yield Flaw(f"projection of {index.name}", declared, less, sentence, lacking, again, breaks, index)
    if not deployed.usable:
        yield Flaw(
            f"state of {index.name}",
            "ACTIVE",
            "not ACTIVE",
            f"{has} is not ACTIVE: DynamoDB is filling or deleting it.",
            f"Until it is ACTIVE: {consequence}",
            "Wait until it is ACTIVE.",
            breaks,
            index,
            passing=True,
        )


def _again(table: Binding, deployed: DeployedIndex) -> str:
    """What to do about an index that is not as declared."""
    then = add_indexes(table) if setting(table, "TABLE") else "verify says how to create it"
    return f"An index can't be changed. Delete it; once it is gone: {then}. To delete it: {delete_index(table, deployed)}"


def _less_projected(table: Binding, index: Index, deployed: DeployedIndex) -> str:
    """The deployed projection, where it holds less than the declared one; else ""."""
    if deployed.projection == "ALL":
        return ""
    if not index.include:
        return deployed.projection
    held = {
        *deployed.non_key_attributes,
        deployed.hash_key,
        deployed.range_key,
        table.key,
        table.spec.range_key,
    }
    lacking = sorted(set(index.include) - held)
    return f"{deployed.projection}, without {', '.join(lacking)}" if lacking else ""


def _where(table: Binding) -> str:
    return f"{table.name} in {table.region}"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]

"""The index that serves a list: found by DescribeTable, or where that is not allowed by a trial query."""

from dataclasses import dataclass

from django.core.cache import caches

from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, IndexMissing
from opsportal.dynamo.expressions import Clause
from opsportal.dynamo.reads import read
from opsportal.dynamo.tables import Binding, Index

# Seconds that it stays known whether an index answers.
TRIED_LIFE = 60


@dataclass(frozen=True)
class Found:
    """The index, under whatever name, or None and `why`, in a sentence."""

    index: Index | None
    why: str = ""


def find(table: Binding, declared: Index) -> Found:
    """The index with the keys of `declared` and all attributes. Raises `DynamoError`, such as TableMissing.

    A role may be allowed to read a table and not to describe it: then the declared index is asked.
    """
    try:
        deployed = describe(table).index_on(declared.hash_key, declared.range_key)
    except AccessDenied as denied:
        if _answers(table, declared):
            return Found(declared)
        keys = _keys(declared)
        return Found(None, f"Whether this table has an index on {keys} is not known: {denied.sentence}")
    if deployed is None:
        return Found(None, f"This table has no index on {_keys(declared)} that holds all attributes.")
    return Found(Index(deployed.name, deployed.hash_key, deployed.range_key))


def _keys(index: Index) -> str:
    return f"{index.hash_key} and {index.range_key}"


def _answers(table: Binding, index: Index) -> bool:
    cache, key = caches["process"], f"answers:{table.fingerprint}:{index.name}"
    known: bool | None = cache.get(key)
    if known is None:
        # A query for a key that no item has costs half a read unit.
        try:
            read(table, index.name, key=(Clause(index.hash_key, "=", ("opsportal",)),), Limit=1)
            known = True
        except IndexMissing:
            known = False
        except AccessDenied:
            if not index.optional:
                raise
            known = False  # a policy need not name an optional index that was added later
        cache.set(key, known, TRIED_LIFE)
    return known

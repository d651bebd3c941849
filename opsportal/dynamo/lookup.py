"""Which index serves a list: looked up as deployed, and where that is not allowed, tried."""

from dataclasses import dataclass

from django.core.cache import caches

from opsportal.dynamo import clients
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, IndexMissing, translated
from opsportal.dynamo.expressions import Clause, Expressions
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
        return Found(None, f"Whether this table has an index on {keys} can't be told: {denied.sentence}")
    if deployed is None:
        return Found(None, f"This table has no index on {_keys(declared)} that holds all attributes.")
    return Found(Index(deployed.name, deployed.hash_key, deployed.range_key))


def _keys(index: Index) -> str:
    return f"{index.hash_key} and {index.range_key}"


def _answers(table: Binding, index: Index) -> bool:
    cache, key = caches["process"], f"answers:{table.fingerprint}:{index.name}"
    known: bool | None = cache.get(key)
    if known is None:
        # One of a key that nobody has: half a read unit.
        arguments = Expressions().arguments(key=(Clause(index.hash_key, "=", ("opsportal",)),))
        try:
            with translated(table):
                clients.client(*table.place).query(
                    TableName=table.name, IndexName=index.name, Limit=1, **arguments
                )
            known = True
        except IndexMissing:
            known = False
        except AccessDenied:
            if not index.optional:
                raise
            known = False  # a policy leaves out an optional index that was not there when it was made
        cache.set(key, known, TRIED_LIFE)
    return known

"""Items of the tests' tables as the wire has them, and the proof that a refusal wrote nothing."""

import contextlib
from collections.abc import Iterator
from typing import Any

from opsportal.dynamo import clients, tables
from opsportal.operations import entries
from opsportal.operations.entries import Entry
from opsportal.operations.tables import AUDIT, JOBS

Raw = dict[str, Any]


def put(binding: Any, key: str, item: Raw | None = None) -> Raw:
    """Put a whole item, as a foreign writer does from its memory; returns it with its key."""
    whole = {**(item or {}), binding.key: {"S": key}}
    clients.client(*binding.location).put_item(TableName=binding.name, Item=whole)
    return whole


def item(binding: Any, key: str) -> Raw | None:
    answer = clients.client(*binding.location).get_item(
        TableName=binding.name, Key={binding.key: {"S": key}}, ConsistentRead=True
    )
    return answer.get("Item")


def everything(binding: Any) -> list[Raw]:
    """Every item of a table, in one order."""
    pages = clients.client(*binding.location).get_paginator("scan").paginate(TableName=binding.name)
    found = [one for page in pages for one in page["Items"]]
    return sorted(
        found, key=lambda one: str([one[name] for name in sorted(one) if name in binding_keys(binding)])
    )


def binding_keys(binding: Any) -> set[str]:
    return {binding.key, binding.spec.range_key or binding.key}


def audit(beside: Any) -> list[Entry]:
    """Every entry beside a table, oldest first."""
    found = everything(tables.internal_table(AUDIT, beside))
    return sorted(
        (entries.from_item(one) for one in found if "#image" not in one["action_id"]["S"]),
        key=lambda entry: entry.at,
    )


def outbox(beside: Any) -> list[Raw]:
    return everything(tables.internal_table(JOBS, beside))


def dump(beside: Any) -> list[list[Raw]]:
    """The table, and the console's own beside it."""
    own = [tables.internal_table(spec, beside) for spec in (AUDIT, JOBS)]
    return [everything(binding) for binding in (beside, *own)]


@contextlib.contextmanager
def nothing_written(beside: Any) -> Iterator[None]:
    before = dump(beside)
    yield
    assert dump(beside) == before

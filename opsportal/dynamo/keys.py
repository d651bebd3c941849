"""What an error about a table's key or index says, by what the table has instead."""

from django.conf import settings

from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import DynamoError, KeyMismatch, SortKey
from opsportal.dynamo.fixes import add_indexes
from opsportal.dynamo.structure import key_flaws
from opsportal.dynamo.tables import Binding


def key_mismatch(table: Binding, detail: str = "") -> KeyMismatch:
    """Of a table whose primary key is not the one that its settings, or for one of the console's own its
    declaration, say."""
    mend = f"Set DYNAMODB_{table.logical.upper()}_KEY to the table's partition key (python manage.py dynamo verify --table {table.logical} names it); the console does not support a table with a sort key."
    if table.logical not in settings.DYNAMO_TABLES:
        mend = "It is another program's under the name of one of the console's own: move it away, then run python manage.py dynamo migrate."
    sort_key = f" and the sort key {table.spec.range_key!r}" if table.spec.range_key else " alone"
    return KeyMismatch(
        f"{table.name} in {table.region} does not have the partition key {table.key!r}{sort_key} as its primary key.",
        mend,
        detail=detail,
    )


def described_mismatch(table: Binding) -> KeyMismatch | None:
    """What the table of the settings has for its primary key instead, where the console may describe it."""
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


def adds_index(table: Binding) -> str:
    """What adds an index that the table lacks."""
    if table.logical in settings.DYNAMO_TABLES:
        return f"To add it: {add_indexes(table)}"
    return f"python manage.py dynamo verify --table {table.logical} has the command that adds it."

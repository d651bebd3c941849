"""Writes of the items of jobs: an update of some values where others are as expected, and a transaction whose end is known."""

import time
from collections.abc import Mapping
from typing import Any

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.tables import Binding
from opsportal.operations.changes import Raw
from opsportal.operations.commits import NoAnswer, TransactionContention, commit
from opsportal.operations.outcomes import Conflict, OutcomeUnknown


def update(
    table: Binding, key: Raw, values: Mapping[str, Typed | None], expected: Mapping[str, Typed]
) -> dict[str, Any]:
    """The operation that writes `values` (None removes) where the item has the `expected` ones."""
    sets = {name: value for name, value in values.items() if value is not None}
    removes = [name for name in values if name not in sets]
    names = {name: f"#n{at}" for at, name in enumerate(dict.fromkeys((*values, *expected)))}
    expression = "SET " + ", ".join(f"{names[name]} = :v{at}" for at, name in enumerate(sets))
    if removes:
        expression += " REMOVE " + ", ".join(names[name] for name in removes)
    given = {f":v{at}": value for at, value in enumerate(sets.values())}
    given |= {f":e{at}": value for at, value in enumerate(expected.values())}
    return {
        "Update": {
            "TableName": table.name,
            "Key": key,
            "UpdateExpression": expression,
            "ConditionExpression": " AND ".join(
                f"{names[name]} = :e{at}" for at, name in enumerate(expected)
            ),
            "ExpressionAttributeNames": {short: name for name, short in names.items()},
            "ExpressionAttributeValues": given,
        }
    }


def sure(table: Binding, operations: list[dict[str, Any]], *, background: bool = False) -> None:
    """Commit; hindered by others or without an answer, it is not known. Raises ConditionFailed too."""
    for attempt in range(4):
        try:
            commit(table, operations, background=background)
        except TransactionContention:
            if attempt == 3:
                raise Conflict("Other writes are in the way, so nothing was done. Do it again.") from None
            time.sleep(0.1 * (attempt + 1))
        except NoAnswer as error:
            raise OutcomeUnknown from error
        else:
            return

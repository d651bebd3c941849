"""Is each table as the settings say? In one sentence, with the setting that mends it."""

from contextlib import suppress
from dataclasses import dataclass, replace

from opsportal.console import tones
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError, TableMissing
from opsportal.dynamo.tables import Binding, name_setting, other_spellings


@dataclass(frozen=True)
class Condition:
    """A table and what is wrong with it: `tone` is one of `console.tones`, `sentence` "" when all is well."""

    table: Binding
    state: str
    tone: str
    sentence: str = ""
    mend: str = ""


def condition(table: Binding) -> Condition:
    """The table as deployed, against what the console is configured for. Never raises `DynamoError`."""
    try:
        found = describe(table)
    except AccessDenied as denied:
        return Condition(table, "unknown", tones.UNKNOWN, denied.sentence, denied.mend)
    except TableMissing as gone:
        return Condition(
            table, "table missing", tones.FAILED, gone.sentence, _other_spelling(table) or gone.mend
        )
    except DynamoError as problem:
        return Condition(table, problem.kind.replace("_", " "), tones.FAILED, problem.sentence, problem.mend)
    if found.key != table.key:
        return Condition(
            table,
            "key mismatch",
            tones.FAILED,
            f"Its partition key is {found.key!r}, but the console is configured for {table.key!r}.",
            f"Set DYNAMODB_{table.logical.upper()}_KEY={found.key}",
        )
    deployed = {(index.hash_key, index.range_key) for index in found.indexes}
    missing = [
        index.name
        for index in table.spec.indexes
        if not index.optional and (index.hash_key, index.range_key) not in deployed
    ]
    if missing:
        return Condition(
            table,
            found.state.lower(),
            tones.ATTENTION,
            f"It lacks {', '.join(missing)}, so lists that read it fail.",
        )
    return Condition(
        table, found.state.lower(), tones.SUCCESS if found.state == "ACTIVE" else tones.ATTENTION
    )


def _other_spelling(table: Binding) -> str:
    """The mend where the table exists with hyphens for underscores, or the reverse; else ""."""
    for name in other_spellings(table):
        with suppress(DynamoError):
            describe(replace(table, name=name))
            return f"There is a table {name}: {name_setting(table, name)}"
    return ""

"""Is each table as the settings say? In one sentence, with the setting or command that fixes it."""

from contextlib import suppress
from dataclasses import dataclass, replace

from opsportal.console import tones
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError, TableMissing
from opsportal.dynamo.structure import index_flaws, key_flaws
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
    for flaw in key_flaws(table, found):
        state = "sort key" if flaw.point == "sort key" else "key mismatch"
        return Condition(table, state, tones.FAILED, f"{flaw.sentence} {flaw.consequence}", flaw.fix)
    if flaws := [flaw for flaw in index_flaws(table, found) if flaw.breaks]:
        missing = [flaw.index.name for flaw in flaws if flaw.missing and flaw.index]
        first = flaws[0]
        sentence, consequence, fix = first.sentence, first.consequence, first.fix
        if len(missing) > 1:
            sentence = f"The table {table.name} in {table.region} lacks the indexes {', '.join(missing)}."
            consequence = "What reads them reads the table by a bounded scan, which is slower and says so."
        if first.missing:
            fix = f"To add what is missing: {fix}"
        return Condition(table, found.state.lower(), tones.ATTENTION, f"{sentence} {consequence}", fix)
    return Condition(
        table, found.state.lower(), tones.SUCCESS if found.state == "ACTIVE" else tones.ATTENTION
    )


def _other_spelling(table: Binding) -> str:
    """The remedy where the table exists with hyphens for underscores, or the reverse; else ""."""
    for name in other_spellings(table):
        with suppress(DynamoError):
            describe(replace(table, name=name))
            return f"There is a table {name}: {name_setting(table, name)}"
    return ""

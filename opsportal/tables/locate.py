"""Where a table that is missing may be: under the other spelling of its name, in another region, at another
endpoint. Only DescribeTable of the candidates is asked, never ListTables.

A table at an emulator is not looked for at Amazon: nobody asked the console to go there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.conf import settings

from opsportal.dynamo.aws_names import is_amazons
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError
from opsportal.dynamo.fixes import assign, setting
from opsportal.dynamo.tables import Binding, aws_region, bindings, name_setting, other_spellings

# The documents' own: seeds 000 to 003, and 004.
REGIONS = ("us-east-1", "eu-north-1")


@dataclass(frozen=True)
class Candidate:
    """Where the table was found, and the settings that lead there; `denied`: the candidates that IAM does not
    allow to describe, which may be the table."""

    table: Binding | None = None
    fix: str = ""
    denied: tuple[str, ...] = ()


def look_for(table: Binding) -> Candidate:
    """The first candidate that exists. Never raises `DynamoError`; a place that does not answer is left soon."""
    denied = []
    for candidate in candidates(table):
        try:
            describe(candidate, fresh=True)
        except AccessDenied:
            denied.append(f"{candidate.name} in {candidate.region}")
        except DynamoError:
            continue
        else:
            return Candidate(candidate, _mend(table, candidate), tuple(denied))
    return Candidate(denied=tuple(denied))


def candidates(table: Binding) -> Iterator[Binding]:
    """Other names here, then every name in the other places, each once and never `table` itself.

    The console's own tables are named and placed by the console: there are none.
    """
    if not setting(table, "TABLE"):
        return
    seen = {(table.name, *table.location)}
    names = [table.name, *_other_names(table)]
    for region, endpoint in ((table.region, table.endpoint), *_other_places(table)):
        for name in names:
            if (name, region, endpoint) not in seen:
                seen.add((name, region, endpoint))
                yield replace(table, name=name, region=region, endpoint=endpoint)


def _other_names(table: Binding) -> Iterator[str]:
    """The documents' names of it, and its name in the other spellings."""
    for name in table.spec.names:
        yield name.format(env=settings.OPSPORTAL_ENV)
    yield from other_spellings(table)


def _other_places(table: Binding) -> Iterator[tuple[str, str]]:
    others = bindings()
    configured = settings.DYNAMO_TABLES[table.logical]["default_region"]
    # An endpoint of Amazon's names its region.
    if not is_amazons(table.endpoint):
        for region in (configured, aws_region(), *(other.region for other in others), *REGIONS):
            if region:
                yield region, table.endpoint
    for other in others:
        if other.endpoint:
            yield table.region, other.endpoint
            yield other.location


def _mend(table: Binding, found: Binding) -> str:
    changes = [name_setting(table, found.name)] if found.name != table.name else []
    changes += [
        assign(setting(table, name), value)
        for name, value, before in (
            ("REGION", found.region, table.region),
            ("ENDPOINT_URL", found.endpoint, table.endpoint),
        )
        if value != before
    ]
    where = f" at {found.endpoint}" if found.endpoint != table.endpoint else ""
    return f"There is a table {found.name} in {found.region}{where}: {' and '.join(changes)}"


def endpoint_hint(table: Binding) -> str:
    """A sentence where the table is looked for at an endpoint that is not Amazon's, which is easily left set
    after an afternoon with an emulator; else ""."""
    if not table.endpoint or is_amazons(table.endpoint) or not setting(table, "ENDPOINT_URL"):
        return ""
    return (
        f"Places searched: {table.endpoint}, which is not Amazon's: if the table is at Amazon, unset "
        f"{setting(table, 'ENDPOINT_URL')} and AWS_ENDPOINT_URL_DYNAMODB (or AWS_ENDPOINT_URL)."
    )

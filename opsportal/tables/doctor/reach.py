"""Which endpoints answer as DynamoDB does, and which tables are there."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.aws_names import is_amazons
from opsportal.dynamo.descriptions import Description, describe
from opsportal.dynamo.errors import (
    AccessDenied,
    CredentialsRefused,
    DynamoError,
    TableMissing,
    Throttled,
    Unreachable,
    translated,
)
from opsportal.dynamo.fixes import setting
from opsportal.dynamo.structure import Flaw, index_flaws, key_flaws, without
from opsportal.dynamo.tables import Binding
from opsportal.tables.doctor.findings import FAIL, NOTE, OK, UNKNOWN, Finding
from opsportal.tables.locate import Candidate

# What the console's own tables are for, to those who can do without.
USES = {
    "audit": "The pages do without it; actions and the audit trail need it.",
    "jobs": "The pages do without it; actions and the worker need it.",
    "migrations": "manage.py dynamo migrate keeps its ledger in it.",
}
UNREADABLE = ("CREATING", "DELETING", "ARCHIVING", "ARCHIVED")
NO_KEY = "INACCESSIBLE_ENCRYPTION_CREDENTIALS"


@dataclass(frozen=True)
class Look:
    """What DescribeTable said: the table or an error. `skew`: how far this machine's clock is ahead of the
    server's, to a second; None without an answer that had a date."""

    table: Binding
    found: Description | None = None
    error: DynamoError | None = None
    skew: timedelta | None = None

    @property
    def answered(self) -> bool:
        """Whether anything answered at all; without credentials nobody is asked."""
        return self.found is not None or bool(self.error and _answer_of(self.error))

    @property
    def reached(self) -> bool:
        """Whether DynamoDB answered, and would answer more; permissions can be probed then."""
        return self.found is not None or isinstance(self.error, AccessDenied)


def look_at(table: Binding) -> Look:
    try:
        with translated(table):
            said = clients.client(*table.location).describe_table(TableName=table.name)
        return Look(table, describe(table, fresh=True), skew=_skew(said))
    except DynamoError as error:
        return Look(table, error=error, skew=_skew(_answer_of(error)))


def _answer_of(error: DynamoError) -> dict[str, Any]:
    """The answer that botocore raised. Empty if there was none: that of a broken connection is None."""
    return getattr(error.__cause__, "response", None) or {}


def late(table: Binding) -> Look:
    """A table that was not described in time."""
    where = table.endpoint or f"DynamoDB in {table.region}"
    fix = "Check the network, the endpoint setting, and what the credentials are fetched from."
    return Look(table, error=Unreachable(f"{where} did not answer in time.", fix))


def _skew(answer: dict[str, Any]) -> timedelta | None:
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return datetime.now(UTC) - parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None


def endpoints(looks: Iterable[Look]) -> list[Finding]:
    """One finding per place (region and endpoint)."""
    locations: dict[tuple[str, str], list[Look]] = {}
    for look in looks:
        locations.setdefault(look.table.location, []).append(look)
    return [_endpoint(*location, members) for location, members in locations.items()]


def _endpoint(region: str, endpoint: str, looks: list[Look]) -> Finding:
    where = f"{endpoint or 'Amazon'} for {region}"
    silent = [look.error for look in looks if isinstance(look.error, Unreachable)]
    if silent and len(silent) == len(looks):
        fix = silent[0].fix
        if endpoint and not is_amazons(endpoint):
            variables = [setting(look.table, "ENDPOINT_URL") for look in looks]
            variables += ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]
            given = [name for name in dict.fromkeys(variables) if name and os.environ.get(name) == endpoint]
            fix += f" The endpoint comes from {' and '.join(given) or 'the settings'}."
        return Finding("endpoint", FAIL, where, silent[0].sentence, fix)
    if not any(look.answered for look in looks):
        return Finding("endpoint", UNKNOWN, where, "It was not asked, for want of credentials.")
    if silent:
        return Finding(
            "endpoint", NOTE, where, f"{len(silent)} of {len(looks)} calls got no answer. {silent[0].sentence}",
            "Run the command again: the network or the endpoint is unsteady.",
        )  # fmt: skip
    return Finding("endpoint", OK, where)


def tables(looks: Iterable[Look], sightings: dict[str, Candidate], *, needed: set[str]) -> list[Finding]:
    """One finding per table that was reached or is missing; what failed for many is said once.

    `sightings`: where missing tables may be, by `Binding.fingerprint`. `needed`: the logical tables that must be there.
    """
    findings, elsewhere = [], dict[tuple[str, str], list[Look]]()
    missing: dict[tuple[str, str, str], list[Look]] = {}
    for look in looks:
        error = look.error
        if isinstance(error, Unreachable):
            continue  # the endpoint's finding
        if isinstance(error, TableMissing):
            sighting = sightings.get(look.table.fingerprint, Candidate())
            absence = _absence(look.table, error, sighting, needed=look.table.logical in needed)
            missing.setdefault(absence, []).append(look)
        elif isinstance(error, AccessDenied):
            findings.append(_undescribed(look.table, error))
        elif isinstance(error, Throttled):
            findings.append(
                Finding("tables", NOTE, f"{_named(look.table)}: throttled", error.sentence, error.fix)
            )
        elif error:
            elsewhere.setdefault((error.sentence, error.fix), []).append(look)
        elif look.found:
            findings += _found(look.table, look.found)
    for (state, why, fix), members in missing.items():
        which = ", ".join(_named(look.table) for look in members)
        findings.append(Finding("tables", state, f"{which}: there is no such table", why, fix))
    for (sentence, fix), members in elsewhere.items():
        named = ", ".join(dict.fromkeys(look.table.name for look in members))
        area = "credentials" if isinstance(members[0].error, CredentialsRefused) else "tables"
        findings.append(Finding(area, FAIL, f"{named}: no answer about it", sentence, fix))
    return findings


def _named(table: Binding) -> str:
    return f"{table.logical}: {table.name} in {table.region}"


def _absence(
    table: Binding, error: DynamoError, sighting: Candidate, *, needed: bool
) -> tuple[str, str, str]:
    """State, reason and fix: one finding for all that share them."""
    fix = sighting.fix or error.fix
    if sighting.denied:
        fix += f" IAM did not let the console look at {', '.join(sighting.denied)}."
    why = "" if needed else USES.get(table.logical, "")
    return FAIL if needed else NOTE, why, fix


def _undescribed(table: Binding, error: DynamoError) -> Finding:
    """A table that IAM does not let the console describe: what it can't use then."""
    what = f"{_named(table)}: can't be described"
    if not setting(table, "TABLE"):
        return Finding("tables", NOTE, what, error.sentence, error.fix, error.statement)
    optional = [index for index in table.spec.indexes if index.optional]
    means = "Whether its key and its indexes are as configured can't be checked."
    for index in optional:
        means += (
            f" Whether it has an index on ({index.keys}) under another name than {index.name} can't be known. "
            f"{without(table, index)}"
        )
    state = FAIL if optional else NOTE
    return Finding("tables", state, what, f"{error.sentence}\n{means}", error.fix, error.statement)


def _found(table: Binding, found: Description) -> Iterator[Finding]:
    """What keeps the console from the table or slows it down, each with what that means; else that all is well."""
    named = _named(table)
    if found.state == NO_KEY:
        yield Finding(
            "tables", FAIL, f"{named}: {found.state}", f"DynamoDB can't use the KMS key {found.kms_key}.",
            "Enable the key again, or restore its key policy, within seven days.",
        )  # fmt: skip
        return
    if found.state in UNREADABLE:
        yield Finding("tables", FAIL, f"{named}: {found.state}", "It can't be read in this state.")
        return
    said = [*_structural(table, key_flaws(table, found)[:1])]  # one thing is to be done about a key
    if not (said and not setting(table, "TABLE")):  # another program's, under a name of the console's own
        said += _structural(table, index_flaws(table, found))
    if not said:
        said.append(Finding("tables", OK, f"{named}: {found.state}"))
    yield from said


def _structural(table: Binding, flaws: Iterable[Flaw]) -> Iterator[Finding]:
    """One finding for all flaws that have one remedy, such as four indexes that one command adds."""
    alike: dict[tuple[str, str], list[Flaw]] = {}
    for flaw in flaws:
        alike.setdefault((FAIL if flaw.breaks and not flaw.passing else NOTE, flaw.fix), []).append(flaw)
    for (state, fix), members in alike.items():
        sentences = [flaw.sentence for flaw in members]
        why = list(dict.fromkeys(flaw.consequence for flaw in members))
        if len(members) > 1 and all(flaw.missing for flaw in members):
            names = ", ".join(flaw.index.name for flaw in members if flaw.index)
            sentences = [f"The table {table.name} in {table.region} lacks the indexes {names}."]
        yield Finding("tables", state, f"{table.logical}: {' '.join(sentences)}", "\n".join(why), fix)

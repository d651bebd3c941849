"""The order of the questions: who asks, what answers, which tables are there, what IAM allows, what is around.

The calls of one stage wait at the same time, and no stage longer than its seconds; what is late is said to be.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings

from opsportal.dynamo.errors import TableMissing
from opsportal.dynamo.structure import index_flaws, key_flaws, used_for
from opsportal.dynamo.tables import Binding
from opsportal.operations.tables import locations
from opsportal.tables.concurrency import together
from opsportal.tables.doctor import identity, reach, rights, surroundings
from opsportal.tables.doctor.findings import AREAS, FAIL, UNKNOWN, Finding
from opsportal.tables.doctor.reach import Look
from opsportal.tables.grants import Place, needs_of
from opsportal.tables.locate import look_for
from opsportal.tables.permissions import features
from opsportal.tables.policy_context import tables_for

# Of each of the two stages.
SECONDS = 12.0
Calls = dict[Any, Callable[[], Any]]


def examine(role: str = "operator", *, seconds: float = SECONDS) -> list[Finding]:
    """Every finding about what `role` needs, in at most about twice `seconds`. KeyError for an unknown role.

    For the main thread: the relational database is asked on its connection.
    """
    asked = features(role)
    tables = tables_for(asked)
    first: Calls = {"signer": identity.credentials, "caller": identity.caller}
    first |= {table.fingerprint: partial(reach.look_at, table) for table in tables}
    said = together(first, seconds)
    signer = said.get("signer") or [
        Finding("credentials", FAIL, "The AWS chain gave none in time.", "", identity.GIVE)
    ]
    account, caller = said.get("caller") or (
        "",
        [Finding("credentials", UNKNOWN, "STS did not answer in time.")],
    )
    looks = [said.get(table.fingerprint) or reach.late(table) for table in tables]
    found = {look.table.fingerprint: look.found for look in looks if look.found}
    by_table = {look.table.fingerprint: look for look in looks}

    def silent(location: Place) -> str:
        if location.table:
            look = by_table[location.table.fingerprint]
            return _silent(look) or _without_index(look, location.index)
        # Neither backups nor metrics take a table that is there.
        beside = [_silent(look) for look in looks if look.table.region == location.region]
        return "" if "" in beside or rights.MISSING in beside else beside[0]

    needs = needs_of(asked, found)
    second: Calls = {("probe", key): call for key, call in rights.wanted(needs, silent).items()}
    second |= {
        ("missing", look.table.fingerprint): partial(look_for, look.table)
        for look in looks
        if _is_missing(look)
    }
    signs = all(finding.state != FAIL for finding in signer)
    if role == "operator":
        look_at = surroundings.queue if signs else surroundings.unasked_queue
        second |= {("queue", name): partial(look_at, name, url) for name, url in surroundings.queues()}
        second |= {
            ("worker", table.location): partial(surroundings.worker, table)
            for table in locations()
            if _has_outbox(looks, table)
        }
    said = together(second, seconds)
    sightings = _of("missing", said)
    findings = [*signer, *(caller if signs else [])]
    findings += identity.regions()
    findings += reach.endpoints(looks)
    findings.append(identity.clock(_skew(looks)))
    of_tables = reach.tables(looks, sightings, needed=_needed(role))
    # Without credentials DynamoDB was not asked, and the tables have nothing to say of it.
    findings += [finding for finding in of_tables if signs or finding.area != "credentials"]
    findings += rights.findings(needs, silent, _of("probe", said), account)
    if role == "operator":
        findings += surroundings.no_queues()
        late = [key for key in second if key[0] in ("queue", "worker") and key not in said]
        findings += list(_of("queue", said).values())
        findings += [
            Finding("queues", FAIL, f"{name}: no answer in time") for kind, name in late if kind == "queue"
        ]
        findings += list(_of("worker", said).values())
    if role in ("viewer", "operator"):
        findings += surroundings.database()
    return sorted(findings, key=lambda finding: AREAS.index(finding.area))


def _needed(role: str) -> set[str]:
    """The logical tables that a role can't do without; a migrator makes them."""
    if role == "migrator":
        return set()
    return {*settings.DYNAMO_TABLES, *(("audit", "jobs") if role == "operator" else ())}


def _silent(look: Look) -> str:
    """Why a table is not asked: what keeps it from an answer is a finding of its own."""
    if not look.reached:
        return rights.MISSING if _is_missing(look) else rights.NOT_REACHED
    if look.found and look.found.state in (*reach.UNREADABLE, reach.NO_KEY):
        return rights.UNREADABLE
    # Those of the settings are probed by the key that they have.
    own = look.table.logical not in settings.DYNAMO_TABLES
    return rights.UNFIT if own and look.found and key_flaws(look.table, look.found) else ""


def _without_index(look: Look, index: str) -> str:
    """Why an index is not asked that the table, as described, lacks, or that can't be used."""
    if look.found is None or not index:
        return ""
    unusable = {
        (used_for(look.table, look.found, flaw.index) or flaw.index).name
        for flaw in index_flaws(look.table, look.found)
        if flaw.index and not flaw.point.startswith("projection")
    }
    there = any(one.name == index for one in look.found.indexes)
    return "" if there and index not in unusable else rights.NO_INDEX


def _of(kind: str, said: dict[Any, Any]) -> dict[Any, Any]:
    return {key[1]: value for key, value in said.items() if key[0] == kind}


def _is_missing(look: Look) -> bool:
    return isinstance(look.error, TableMissing)


def _has_outbox(looks: list[Look], beside: Binding) -> bool:
    return any(
        look.found and not _silent(look)
        for look in looks
        if look.table.location == beside.location and look.table.logical == "jobs"
    )


def _skew(looks: list[Look]) -> Any:
    """The smallest of all answers: each includes the time that it travelled."""
    return min((look.skew for look in looks if look.skew is not None), key=abs, default=None)

"""What each part of the console asks IAM for: the one declaration that `policy` prints and `doctor` probes.

Tests compare it with the calls that pages, actions, the worker and the commands really make. It names no item's
attribute and no app: which of their tables (by logical name) and indexes (by declared name) the apps ask for, their
descriptors say.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from django.conf import settings

from opsportal.descriptors import descriptors
from opsportal.tables.ages import NAMESPACE
from opsportal.tables.grants import OWN, Feature, Target

ROLES = {
    "viewer": "the pages, without actions",
    "operator": "the viewer's, the actions and the worker",
    "migrator": "the commands that create, change, check, watch and back up tables",
    "writer": "the programs that write the four tables: orchestrators, request workers, agents",
}
PAGES = frozenset({"viewer", "operator"})
OPERATOR, MIGRATOR, WRITER = (frozenset({role}) for role in ("operator", "migrator", "writer"))

Targets = Callable[[], tuple[Target, ...]]


def _targets(names: Iterable[str]) -> tuple[Target, ...]:
    """By name: ``requests``, ``requests/status-index``, or ``jobs@workflows,requests``: an internal table alongside
    those, which is one target alongside all the tables that it is named with."""
    found: dict[str, list[str]] = {}
    for name in names:
        path, _, alongside = name.partition("@")
        found.setdefault(path, []).extend(filter(None, alongside.split(",")))
    return tuple(
        Target(*path.partition("/")[::2], tuple(dict.fromkeys(tables))) for path, tables in found.items()
    )


def _on(*names: str) -> Targets:
    return lambda: _targets(names)


def _asked(*sids: str) -> list[str]:
    """The names that the apps' descriptors have for these features."""
    return [name for sid in sids for app in descriptors() for name in app.iam.get(sid, ())]


def _of_apps(sid: str, *names: str) -> Targets:
    """Those named, and those that the apps ask for."""
    return lambda: _targets((*names, *_asked(sid)))


def _settings_tables() -> tuple[Target, ...]:
    return tuple(Target(logical) for logical in settings.DYNAMO_TABLES)


def _own_tables() -> tuple[Target, ...]:
    return tuple(Target(logical) for logical in OWN)


def _every_table() -> tuple[Target, ...]:
    return _settings_tables() + _own_tables()


def _tables_of_items() -> tuple[Target, ...]:
    return tuple(target for target in _every_table() if target.table != "migrations")


def queue_settings() -> list[str]:
    """The settings that hold the URLs of queues."""
    return sorted(descriptor.queue for descriptor in descriptors() if descriptor.queue)


def _queues() -> tuple[Target, ...]:
    return tuple(Target(queue=name) for name in queue_settings() if getattr(settings, name))


def _backups() -> tuple[Target, ...]:
    return tuple(replace(target, backups=True) for target in _every_table())


def _anything() -> tuple[Target, ...]:
    return (Target(),)


def _alarms() -> tuple[Target, ...]:
    return (Target(alarms=True),)


def _retains() -> bool:
    return bool(settings.RETENTION_REQUEST_DAYS or settings.RETENTION_LOG_DAYS)


def _jobs_at_work() -> tuple[Target, ...]:
    """Those with messages and, where retention is on, with its leases: alongside each table that it stamps."""
    stamped = _asked("StampLogs") if _retains() else []
    return _targets((*_asked("CarryOutMessages"), *(f"jobs@{table}" for table in stamped)))


def _dynamodb(*operations: str) -> tuple[str, ...]:
    return tuple(f"dynamodb:{operation}" for operation in operations)


READS = (
    Feature(
        "FindIndexes", "indexes and keys as they are", PAGES | MIGRATOR,
        _dynamodb("DescribeTable"), _settings_tables, optional=True,
    ),
    Feature(
        "ReadOneItem", "pages of items", PAGES,
        _dynamodb("GetItem"), _of_apps("ReadOneItem"),
    ),
    Feature(
        "ReadAgentsTogether", "the agents' discovery: those that were written lately", PAGES,
        _dynamodb("BatchGetItem"), _of_apps("ReadAgentsTogether"), optional=True,
    ),
    Feature(
        "ReadSampledTogether", "lists: items that are in no index, as they are now; failure cases: what ended; retention: requests of logs", PAGES,
        _dynamodb("BatchGetItem"), _of_apps("ReadSampledTogether"), optional=True,
    ),
    Feature(
        "FindByIds", "the search, by an id in all tables at once; jobs: what an undo brings back, and what became of items", PAGES,
        _dynamodb("BatchGetItem"), _of_apps("FindByIds", "audit", "jobs"),
    ),
    Feature(
        "ListByIndex", "lists", PAGES, _dynamodb("Query"),
        _of_apps("ListByIndex"),
    ),
    Feature(
        "FindUndocumentedStatuses", "statuses and priorities that no document names", PAGES, _dynamodb("Scan"),
        _of_apps("FindUndocumentedStatuses"),
        optional=True,
    ),
    Feature(
        "ListWithoutIndex", "agents, and items outside of an index", PAGES,
        _dynamodb("Scan"), _of_apps("ListWithoutIndex"),
    ),
    Feature("ReadAuditEntry", "audit entries", PAGES, _dynamodb("GetItem"), _on("audit")),
    Feature(
        "ListAuditEntries", "the audit trail", PAGES,
        _dynamodb("Query"), _on("audit/feed-index", "audit/actor-index", "audit/target-index"),
    ),
    Feature(
        "FindMessages", "messages that are due or were not delivered, and what jobs consist of", PAGES,
        _dynamodb("Query"), _on("jobs"),
    ),
    Feature("ReadJobs", "jobs", PAGES, _dynamodb("GetItem"), _on("jobs")),
    Feature("ListJobs", "the list of jobs", PAGES, _dynamodb("Query"), _on("jobs/kind-index")),
    Feature(
        "FindOwnTables", "the page Tables: the console's own", PAGES | MIGRATOR,
        _dynamodb("DescribeTable"), _own_tables, optional=True,
    ),
    Feature(
        "InspectTables", "the page Tables: TTL, recovery and tags", PAGES | MIGRATOR,
        _dynamodb("DescribeTimeToLive", "DescribeContinuousBackups", "ListTagsOfResource"),
        _every_table, optional=True,
    ),
    Feature(
        "ReadMigrations", "the page Tables: migrations", PAGES, _dynamodb("Scan"), _on("migrations"), optional=True
    ),
    Feature(
        "ListBackups", "the page Tables and `backup`: backups", PAGES | MIGRATOR,
        _dynamodb("ListBackups"), _anything, optional=True,
    ),
    Feature(
        "ReadMetrics", "the page Tables and `cost`: consumption, throttles and errors", PAGES | MIGRATOR,
        ("cloudwatch:GetMetricData",), _anything, optional=True,
    ),
)  # fmt: skip

WRITES = (
    Feature(
        "ChangeItems", "actions on items", OPERATOR,
        _dynamodb("PutItem", "UpdateItem", "DeleteItem"), _of_apps("ChangeItems"),
    ),
    Feature(
        "RecordActions", "the audit trail, messages of actions, and jobs", OPERATOR,
        _dynamodb("PutItem"), _of_apps("RecordActions", "audit"),
    ),
    Feature(
        "CarryOutMessages", "messages and parts of jobs that are carried out once", OPERATOR,
        _dynamodb("UpdateItem", "DeleteItem"), _jobs_at_work,
    ),
    Feature(
        "DeleteLogs", "the logs of purged requests", OPERATOR,
        _dynamodb("BatchWriteItem"), _of_apps("DeleteLogs"),
    ),
    Feature(
        "OfferProjects", "choices of projects in the submission form", OPERATOR,
        _dynamodb("Scan"), _of_apps("OfferProjects"), optional=True,
    ),
    Feature(
        "StampLogs", "retention of logs", OPERATOR,
        _dynamodb("UpdateItem"), _of_apps("StampLogs"), wanted=_retains,
    ),
    # PutMetricData knows no resource; the namespace is what keeps it to the console's own.
    Feature(
        "PublishAges", "the age of the oldest unfinished item", OPERATOR,
        ("cloudwatch:PutMetricData",), _anything, optional=True, wanted=lambda: bool(settings.PUBLISH_AGES),
        condition={"StringEquals": {"cloudwatch:namespace": [NAMESPACE]}},
    ),
    Feature("SendMessages", "messages to workers and orchestrators", OPERATOR, ("sqs:SendMessage",), _queues),
)  # fmt: skip

MIGRATIONS = (
    Feature(
        "ManageTables", "`migrate` and `backup`", MIGRATOR,
        _dynamodb(
            "CreateTable", "UpdateTimeToLive", "UpdateContinuousBackups", "TagResource", "CreateBackup",
        ),
        _every_table, managing=True,
    ),
    Feature(
        "ChangeIndexes", "`migrate` and `rollback` of an index", MIGRATOR,
        _dynamodb("UpdateTable"), _of_apps("ChangeIndexes"), managing=True,
    ),
    Feature(
        "WatchBackups", "`backup`, until one is made", MIGRATOR,
        _dynamodb("DescribeBackup"), _backups, optional=True, managing=True,
    ),
    Feature("DropTables", "`rollback`", MIGRATOR, _dynamodb("DeleteTable"), _every_table, managing=True),
    Feature(
        "KeepLedger", "the ledger of migrations", MIGRATOR,
        _dynamodb("GetItem", "UpdateItem", "Scan"), _on("migrations"),
    ),
    Feature("SampleItems", "`verify`, and `migrate` before an index", MIGRATOR, _dynamodb("Scan"), _tables_of_items),
    Feature(
        "TestWrites", "`verify --write-test`", MIGRATOR,
        _dynamodb("PutItem", "DeleteItem"), _every_table, optional=True, managing=True,
    ),
    Feature(
        "ReadTestItems", "`verify --write-test`: what was put", MIGRATOR,
        _dynamodb("GetItem"), _tables_of_items, optional=True, managing=True,
    ),
    Feature(
        "KeepAlarms", "`alarms`", MIGRATOR,
        ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"), _alarms, optional=True,
    ),
    Feature(
        "ListAlarms", "`alarms`: which there are", MIGRATOR, ("cloudwatch:DescribeAlarms",), _anything, optional=True
    ),
)  # fmt: skip

WRITERS = (
    Feature(
        "WriteStatus", "the status writer (`writers`)", WRITER,
        _dynamodb("GetItem", "PutItem", "UpdateItem"), _of_apps("WriteStatus"),
    ),
    # Seed 002 of docs/data.md: a worker of the strategy `table` asks for what is pending, and writes its progress.
    Feature(
        "WorkOnRequests", "request workers", WRITER,
        _dynamodb("GetItem", "PutItem", "UpdateItem"), _of_apps("WorkOnRequests"),
    ),
    Feature("FindRequests", "request workers: what is pending", WRITER, _dynamodb("Query"), _of_apps("FindRequests")),
    Feature(
        "WriteLogs", "request workers: their logs", WRITER,
        _dynamodb("PutItem", "BatchWriteItem"), _of_apps("WriteLogs"),
    ),
    # Seed 004, as it asks its administrator.
    Feature(
        "RegisterAgents", "the agents' discovery service", WRITER,
        _dynamodb("PutItem", "GetItem", "Scan", "Query", "UpdateItem"), _of_apps("RegisterAgents"),
    ),
    Feature(
        "ReceiveMessages", "messages from the console", WRITER,
        ("sqs:ReceiveMessage", "sqs:DeleteMessage"), _queues,
    ),
)  # fmt: skip

FEATURES = (*READS, *WRITES, *MIGRATIONS, *WRITERS)


def features(role: str, tables: Iterable[str] = ()) -> list[Feature]:
    """What a role does, in the order of its policy; KeyError when there is no such role. A writer may be one of these
    `tables` alone."""
    if role not in ROLES:
        raise KeyError(role)
    asked = [feature for feature in FEATURES if role in feature.roles]
    return [_only(feature, set(tables)) for feature in asked] if tables and role == "writer" else asked


def _only(feature: Feature, tables: set[str]) -> Feature:
    """The feature for these tables alone, and the queues of the apps that ask for them."""
    queues = {
        app.queue
        for app in descriptors()
        if tables & {name.partition("/")[0] for names in app.iam.values() for name in names}
    }

    def targets() -> tuple[Target, ...]:
        return tuple(
            target for target in feature.targets() if target.table in tables or target.queue in queues - {""}
        )

    return replace(feature, targets=targets)

"""What the console needs beside DynamoDB: its relational database, the queues, a worker."""

import socket
from contextlib import closing

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from opsportal.aws import ServiceTrouble, asking, queue_region, service
from opsportal.dynamo.errors import DynamoError, TableMissing
from opsportal.dynamo.tables import Binding
from opsportal.operations import undelivered
from opsportal.tables.doctor.findings import FAIL, NOTE, OK, UNKNOWN, Finding
from opsportal.tables.grants import queue_arn
from opsportal.tables.permissions import queue_settings

# Seconds that a database's host has to accept a connection; drivers wait for minutes.
CONNECT = 3.0


def database() -> list[Finding]:
    """Whether it answers, is migrated, and has the table of the shared cache. For the main thread."""
    area = "database"
    try:
        _knock()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, OSError) as error:
        fix = "Check DATABASE_URL, and that its server runs and accepts this machine."
        return [Finding(area, FAIL, f"{_database_name()} can't be used", str(error), fix)]
    findings = [Finding(area, OK, _database_name())]
    if pending:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in pending]
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        findings = [
            Finding(area, FAIL, f"{len(names)} migrations are pending", shown, "python manage.py migrate")
        ]
    return [*findings, _cache()]


def _database_name() -> str:
    return f"{connection.vendor} {connection.settings_dict['NAME']}"


def _knock() -> None:
    host, port = connection.settings_dict.get("HOST"), connection.settings_dict.get("PORT")
    if host and port and not str(host).startswith("/"):
        with closing(socket.create_connection((host, int(port)), CONNECT)):
            pass


def _cache() -> Finding:
    try:
        caches["default"].get("opsportal-doctor")
    except DatabaseError as error:
        return Finding(
            "database", FAIL, "The shared cache has no table, and logins need it.", str(error),
            "python manage.py createcachetable",
        )  # fmt: skip
    return Finding("database", OK, "the shared cache")


def queues() -> list[tuple[str, str]]:
    """The setting and the URL of each queue that the settings name."""
    return [(name, url) for name in queue_settings() if (url := getattr(settings, name))]


# SQS's codes for a URL that names none of its queues; some versions of the protocol write them after a dot.
ABSENT = frozenset({"NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})


def unasked_queue(name: str, url: str) -> Finding:
    """For want of credentials, which is a finding of its own."""
    return Finding("queues", UNKNOWN, f"{name}: {url}", "Not asked: there are no usable credentials.")


def queue(name: str, url: str) -> Finding:
    """Ask a queue for its attributes. Nothing is sent."""
    region = queue_region(url)
    try:
        with asking("sqs:GetQueueAttributes", region, queue_arn(url)):
            client = service("sqs", region)
            said = client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "QueueArn"]
            )
    except ServiceTrouble as problem:
        if problem.denied:
            # The console itself needs no more than to send.
            return Finding(
                "queues", NOTE, f"{name}: {url}", f"It answers, but {problem.why}", "", problem.statement
            )
        # Of what is in the way of every call (credentials, the network), the reason has the fix where there is one.
        absent = problem.code.rpartition(".")[2] in ABSENT
        fix = f"Check {name}, and that the queue exists." if absent else ""
        return Finding("queues", FAIL, f"{name}: {url}", problem.why, fix)
    waiting = said.get("Attributes", {}).get("ApproximateNumberOfMessages", "?")
    return Finding("queues", OK, f"{name}: {url}, about {waiting} messages waiting")


def no_queues() -> list[Finding]:
    missing = [name for name in queue_settings() if not getattr(settings, name)]
    if not missing:
        return []
    why = "Actions that need one are not offered."
    return [Finding("queues", NOTE, f"Not set: {', '.join(missing)}", why)]


def worker(beside: Binding) -> Finding:
    """Whether the outbox beside a table holds messages that are late, or that are not tried any more."""
    where = f"in {beside.region}"
    try:
        found = undelivered.listed([beside])
    except TableMissing:
        return Finding("worker", UNKNOWN, f"{where}: there is no outbox yet")
    except DynamoError as error:
        return Finding("worker", UNKNOWN, f"{where}: the outbox can't be read", error.sentence)
    if not found.shown:
        return Finding("worker", OK, f"{where}: nothing is overdue")
    many = f"{len(found.shown)}{'+' if found.more else ''}"
    # One that a receiver refused says more than one that waits.
    first = next((one for one in found.shown if one.given_up), found.shown[0])
    since = f"{first.since:%Y-%m-%d %H:%M:%SZ}" if first.since else "an unknown time"
    tried = (
        "not tried yet" if not first.tries else f"tried {first.tries} time{'s' if first.tries > 1 else ''}"
    )
    ended = ", not tried any more" if first.given_up else ""
    fix = "See /audit/undelivered/ in the console: correct the cause, then send it again or drop it."
    if not first.tries:
        fix = "Run python manage.py worker, and read its log."
    return Finding(
        "worker", FAIL, f"{where}: {many} undelivered; a message has been due since {since}",
        f"{first.kind} of action {(first.item.action_id or 'unknown')[:80]}, {tried}{ended}: {first.why}", fix,
    )  # fmt: skip

"""The console's own tables: once in every place (region, endpoint) that holds a table of the settings."""

from django.conf import settings

from opsportal.dynamo.tables import Binding, Index, TableSpec, bindings, internal_table

# What a row of a feed shows; the whole entry is one GetItem away.
SUMMARY = (
    "action", "actor", "actor_id", "role", "logical", "table", "target", "reason", "undo_of", "has_image", "count", "note",
)  # fmt: skip

AUDIT = TableSpec(
    logical="audit",
    title="Audit trail",
    key="action_id",
    indexes=(
        Index("target-index", "target_hash", "at", include=SUMMARY),
        Index("actor-index", "actor_key", "at", include=SUMMARY),
        Index("feed-index", "feed", "at", include=SUMMARY),
    ),
    ttl_attribute="ttl",
    point_in_time_recovery=True,
    encryption="KMS",
    source="the console's own",
)

JOBS = TableSpec(
    logical="jobs",
    title="Jobs and outbox",
    key="pk",
    range_key="sk",
    indexes=(Index("kind-index", "kind", "created_at"),),
    ttl_attribute="ttl",
    encryption="KMS",
    source="the console's own",
)


def audit_table_for(table: Binding) -> Binding:
    """The audit table that a change of `table` is recorded in."""
    return internal_table(AUDIT, table)


def jobs_table_for(table: Binding) -> Binding:
    """The jobs table whose outbox a change of `table` writes to."""
    return internal_table(JOBS, table)


def locations() -> list[Binding]:
    """One table of the settings per place. On an emulator all regions are one, which `feeds` knows."""
    return list({table.location: table for table in bindings()}.values())


def entry_life() -> int:
    """Seconds that an entry lives."""
    return int(settings.AUDIT_ENTRY_DAYS * 86_400)


def image_life() -> int:
    """Seconds that a before-image lives, and with it the undo."""
    return int(settings.AUDIT_IMAGE_DAYS * 86_400)

"""The items of the audit trail and of the outbox, as PynamoDB reads them."""

from opsportal.dynamo.attributes import (
    BinaryAttribute,
    FlagAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    TextAttribute,
)
from opsportal.dynamo.internal import InternalModel


class AuditItem(InternalModel):
    """An entry, whole or as an index projects it; or a before-image, whose key has a suffix."""

    action_id = TextAttribute(hash_key=True)
    at = TextAttribute()
    action = TextAttribute()
    actor = TextAttribute()
    actor_id = TextAttribute()
    role = TextAttribute()
    logical = TextAttribute()
    table = TextAttribute()
    target = TextAttribute()
    reason = TextAttribute()
    condition = TextAttribute()
    changes = ListAttribute()
    watch = MapAttribute()
    undo_of = TextAttribute()
    has_image = FlagAttribute()
    stale_image = FlagAttribute()
    number = NumberAttribute(attr_name="count")
    note = TextAttribute()
    job = TextAttribute()
    image = BinaryAttribute()
    ttl = NumberAttribute()


class OutboxItem(InternalModel):
    """A message; jobs lie in the same table."""

    pk = TextAttribute(hash_key=True)
    sk = TextAttribute(range_key=True)
    message_kind = TextAttribute()
    body = TextAttribute()
    action_id = TextAttribute()
    due = TextAttribute()
    part = TextAttribute()
    claimed_until = NumberAttribute()
    tries = NumberAttribute()
    logical = TextAttribute()
    target = TextAttribute()
    why = TextAttribute()
    given_up_at = TextAttribute()

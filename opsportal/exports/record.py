"""The entries of an export in the audit trail: one when it starts, one when it ends, however it ends.

An entry is never edited, so what became of an export is an entry of its own. Where there is none, the process died.
"""

import logging
import uuid
from typing import Any

from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import binding
from opsportal.exports.asked import Asked
from opsportal.operations import entries
from opsportal.operations.commits import ConditionFailed, NoAnswer, TransactionContention, commit
from opsportal.operations.entries import Actor, Entry, Target
from opsportal.operations.outcomes import Conflict, IdempotencyMismatch, OutcomeUnknown
from opsportal.operations.switch import check_actions_are_on
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action

logger = logging.getLogger(__name__)


def put(
    asked: Asked, export_id: str, action: Action, by: Actor, note: str, count: int | None = None
) -> dict[str, Any]:
    """The operation that writes an entry. The end of an export has an id made of the export's, so that it has one."""
    table = binding(asked.exportable.logical)
    entry = Entry(
        action_id=_id_of(export_id, action),
        action=action,
        actor=by,
        target=Target(table.logical, export_id),
        table=table.name,
        at=entries.stamp(),
        note=note,
        count=count,
    )
    return {
        "Put": {
            "TableName": audit_table_for(table).name,
            "Item": entry.item(),
            "ConditionExpression": "attribute_not_exists(action_id)",
        }
    }


def _id_of(export_id: str, action: Action) -> str:
    if action is Action.EXPORT_DOWNLOAD:  # any number of times
        return entries.new_action_id()
    if action is Action.EXPORT_START:
        return export_id
    return str(uuid.uuid5(uuid.UUID(export_id), action.value))


def write(
    asked: Asked, export_id: str, action: Action, by: Actor, note: str, count: int | None = None
) -> None:
    """Raises ActionsOff, Conflict, IdempotencyMismatch, OutcomeUnknown, `DynamoError`."""
    check_actions_are_on()
    try:
        commit(
            audit_table_for(binding(asked.exportable.logical)),
            [put(asked, export_id, action, by, note, count)],
        )
    except ConditionFailed:
        raise IdempotencyMismatch("This id belongs to another action already.") from None
    except TransactionContention:
        raise Conflict("Other writes are in the way, so nothing was exported. Do it again.") from None
    except NoAnswer as error:
        raise OutcomeUnknown from error


def ended(asked: Asked, export_id: str, by: Actor, note: str, count: int) -> None:
    """The entry of a download's end. Its answer has been sent by then: a problem is logged."""
    try:
        commit(
            audit_table_for(binding(asked.exportable.logical)),
            [put(asked, export_id, Action.EXPORT_FINISH, by, note, count)],
            background=True,
        )
    except (ConditionFailed, TransactionContention, NoAnswer, DynamoError) as error:
        logger.error("export %s: its end could not be recorded (%s): %s", export_id, error, note)

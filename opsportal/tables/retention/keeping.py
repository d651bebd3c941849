"""Somebody's word against a stamp: the item stays, and retention passes it by from then on."""

from datetime import datetime

from opsportal.dynamo.spending import request_budget
from opsportal.operations.changes import NULL, Change, Raw
from opsportal.operations.entries import Actor, Target, new_action_id
from opsportal.operations.outcomes import Conflict, Done, Missing
from opsportal.operations.tags import Action
from opsportal.operations.transactions import Plan, act
from opsportal.tables.retention import stamping
from opsportal.tables.retention.rules import MARK, Rule, is_kept, is_ours
from opsportal.tables.retention.stamping import Allowance


def keep(rule: Rule, key: str, *, by: Actor, reason: str = "") -> tuple[Done, int]:
    """Set an item's expiry to null, which TTL passes by, and take the stamps off its logs: the audit entry, and
    how many logs. An expiry that its writer set stays.

    Raises Missing, Conflict, Unknown (`opsportal.operations.outcomes`) and `DynamoError`.
    """
    ttl = rule.table.ttl_attribute

    def decide(raw: Raw | None, now: datetime) -> Plan:
        if raw is None:
            raise Missing("There is no item with this id.")
        if is_kept(raw, ttl):
            raise Conflict("It is kept already.")
        if ttl in raw and not is_ours(raw, ttl):
            raise Conflict(f"Its {ttl} was not stamped here: whoever wrote it has to change it.")
        change = Change(raw).guard(rule.by_status.hash_key, ttl).set(ttl, NULL)
        return Plan(change=change.remove(MARK))

    done = act(
        Action.REQUEST_KEEP,
        Target(rule.logical, key),
        decide,
        by=by,
        reason=reason,
        action_id=new_action_id(),
        patient=True,
    )
    logs = 0

    def count() -> None:
        nonlocal logs
        logs += 1

    with request_budget(None) as account:
        allowance = Allowance(float("inf"), lambda: False, account)
        stamping.release_logs(rule, {"S": key}, allowance, count)
    return done, logs

"""Rules evaluated: what began to hold fires, what is over is resolved, and each is told once.

Reading takes seconds and happens outside of any transaction, under a lease of the rule; what it found is settled in
one transaction, which nobody but the holder of the lease commits (`leases`).
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from opsportal.alerts.leases import give_back, take
from opsportal.alerts.rules import MANY, Rule, subject_digest
from opsportal.alerts.states import Round
from opsportal.alerts.watches import Fact, Reading
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.spending import request_budget

logger = logging.getLogger(__name__)

# Seconds: all reads of one evaluation, and the lease, which is longer by what settling may take.
BUDGET, LEASE = 20.0, timedelta(seconds=60)
# Subjects that one evaluation looks at by themselves, since its reading could not name all.
MOST_RECHECKS = 20


@dataclass
class Look:
    """What one evaluation read. `again`: of the subjects looked at by themselves, by digest, the fact or None."""

    reading: Reading = field(default_factory=lambda: Reading(unknown=True))
    again: Mapping[str, Fact | None] = field(default_factory=dict)
    trouble: str = ""
    calls: int = 0
    read_units: float = 0


def evaluate_next(now: datetime | None = None) -> bool:
    """Evaluate the rule that has been due for longest and that no other worker has; False when there is none."""
    rule = take(Rule.objects.due(now or timezone.now()), now or timezone.now(), LEASE)
    if rule is None:
        return False
    try:
        look = look_for(rule, now or timezone.now())
    except DatabaseError:
        raise  # the worker's own trouble, not the rule's
    except Exception:
        # One rule's defect must not keep the others from their turn.
        logger.exception("rule %d (%s) could not be evaluated", rule.pk, rule.condition)
        look = Look(trouble="Its evaluation failed; the worker's log says why.")
    settle(rule, look, now or timezone.now())
    return True


def look_for(rule: Rule, now: datetime, seconds: float = BUDGET) -> Look:
    """What the rule's watch sees, in so many seconds at most. Writes nothing; trouble with a table is in the answer."""
    watch = rule.watch
    if watch is None:
        return Look(trouble=f"This version of the console does not know the condition {rule.condition}.")
    look = Look()
    with request_budget(seconds) as spending:
        try:
            question = rule.question(now)
            look.reading = watch.read(question)
            if not look.reading.complete and not look.reading.unknown and watch.still:
                named = [
                    subject_digest(subject)
                    for subject in (MANY, *(fact.subject for fact in look.reading.facts))
                ]
                missing = rule.firings.open().exclude(subject_digest__in=named).order_by("seen_at", "pk")
                look.again = {
                    firing.subject_digest: watch.still(question, firing.subject)
                    for firing in missing[:MOST_RECHECKS]
                }
        except DynamoError as error:
            look.reading = Reading(unknown=True)
            look.trouble = f"{error.sentence} {error.mend}".strip()
    look.calls, look.read_units = spending.calls, float(spending.read_units)
    return look


def settle(rule: Rule, look: Look, now: datetime) -> bool:
    """Commit what was read, and put down what is to be told. False, and nothing is written, where the lease was
    lost meanwhile: the rule was changed, or another worker has it."""
    with transaction.atomic():
        held = give_back(
            rule,
            evaluated_at=now,
            next_at=now + timedelta(seconds=settings.ALERT_SECONDS),
            trouble=look.trouble,
            note=look.reading.note,
            calls=look.calls,
            read_units=look.read_units,
        )
        if held:
            Round(rule, now).settle(look.reading, look.again)
    return held

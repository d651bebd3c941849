"""Rules evaluated: what began to hold fires, what is over is resolved, and there is one notification of each.

Reading takes seconds and happens outside of any transaction, under a lease of the rule; what it found is settled in
one transaction, which nobody but the holder of the lease commits (`leases`).

- Nothing fires that began before the rule's baseline: a new rule does not notify of the whole past.
- A condition must hold for `hold_minutes` before it fires, and be away for `calm_minutes` before it is over; each
  time that a subject fires again within an hour the calm it needs doubles, so that what flaps notifies rarely.
- At most `MAX_NOTIFIED` subjects of one evaluation have a notification each; one firing of its own stands for the
  others.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from opsportal.alerts.leases import give_back, take
from opsportal.alerts.payloads import FIRED, OVER, STILL, notify
from opsportal.alerts.rules import FIRING, FLAPS_WITHIN, MANY, PENDING, RESOLVED, Firing, Rule, subject_digest
from opsportal.alerts.watches import Fact, Reading
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.spending import request_budget

logger = logging.getLogger(__name__)

# Seconds: all reads of one evaluation, and the lease, which is longer by what settling may take.
BUDGET, LEASE = 20.0, timedelta(seconds=60)
# Subjects that one evaluation looks at by themselves, since its reading could not name all.
MAX_RECHECKS = 20
MAX_NOTIFIED = 20
# Characters; a key has at most 2,048 bytes.
MAX_SUBJECT, MAX_TITLE, MAX_ERROR = 2_048, 300, 1_000


@dataclass
class EvaluationResult:
    """What one evaluation read. `rechecked`: of the subjects looked at by themselves, by digest, the fact or None."""

    reading: Reading = field(default_factory=lambda: Reading(unknown=True))
    rechecked: Mapping[str, Fact | None] = field(default_factory=dict)
    trouble: str = ""
    calls: int = 0
    read_units: float = 0


def evaluate_next(now: datetime | None = None) -> bool:
    """Evaluate the rule that has been due for longest and that no other worker has; False when there is none."""
    rule = take(Rule.objects.due(now or timezone.now()), now or timezone.now(), LEASE)
    if rule is None:
        return False
    try:
        result = evaluate(rule, now or timezone.now())
    except DatabaseError:
        raise  # the worker's own problem, not the rule's
    except Exception:
        # One rule's defect must not keep the others from their turn.
        logger.exception("rule %d (%s) could not be evaluated", rule.pk, rule.condition)
        result = EvaluationResult(trouble="Its evaluation failed; the worker's log says why.")
    settle(rule, result, now or timezone.now())
    return True


def evaluate(rule: Rule, now: datetime, seconds: float = BUDGET) -> EvaluationResult:
    """What the rule's watch sees, in so many seconds at most. Writes nothing; a problem with a table is in the result."""
    watch = rule.watch
    if watch is None:
        return EvaluationResult(
            trouble=f"This version of the console does not know the condition {rule.condition}."
        )
    result = EvaluationResult()
    with request_budget(seconds) as spending:
        try:
            question = rule.question(now)
            result.reading = watch.read(question)
            if not result.reading.complete and not result.reading.unknown and watch.still:
                named = [
                    subject_digest(subject)
                    for subject in (MANY, *(fact.subject for fact in result.reading.facts))
                ]
                missing = rule.firings.open().exclude(subject_digest__in=named).order_by("seen_at", "pk")
                result.rechecked = {
                    firing.subject_digest: watch.still(question, firing.subject)
                    for firing in missing[:MAX_RECHECKS]
                }
        except DynamoError as error:
            result.reading = Reading(unknown=True)
            result.trouble = f"{error.sentence} {error.fix}".strip()
    result.calls, result.read_units = spending.calls, float(spending.read_units)
    return result


def settle(rule: Rule, result: EvaluationResult, now: datetime) -> bool:
    """Commit what was read, with its notifications. False, and nothing is written, where the lease was lost
    meanwhile: the rule was changed, or another worker has it."""
    with transaction.atomic():
        held = give_back(
            rule,
            evaluated_at=now,
            next_at=now + timedelta(seconds=settings.ALERT_SECONDS),
            trouble=result.trouble,
            note=result.reading.note,
            calls=result.calls,
            read_units=result.read_units,
        )
        if held:
            RuleEvaluation(rule, now).settle(result.reading, result.rechecked)
    return held


# --- The states of its subjects ------------------------------------------------------------------------


class RuleEvaluation:
    """The states of a rule's subjects (pending, firing, resolved) brought up to `now`, in one transaction."""

    def __init__(self, rule: Rule, now: datetime) -> None:
        self.rule, self.now = rule, now
        self.fired: list[Firing] = []

    def settle(self, reading: Reading, rechecked: Mapping[str, Fact | None]) -> None:
        """Bring every subject to its state. `rechecked`: see `EvaluationResult`."""
        opened = {firing.subject_digest: firing for firing in self._opened()}
        many = opened.pop(subject_digest(MANY), None)
        if not reading.unknown:
            for digest, fact in self._facts(reading, rechecked).items():
                firing = opened.pop(digest, None)
                if firing:
                    self._seen(firing, fact)
                elif fact.since >= self.rule.baseline_at:
                    self._began(fact, digest)
            for digest, firing in opened.items():
                if reading.complete or (digest in rechecked and rechecked[digest] is None):
                    self._away(firing)
        self._notify_new(many)
        self._remind()

    def _opened(self) -> Iterable[Firing]:
        found = self.rule.firings.open().select_for_update()
        for firing in found:
            firing.rule = self.rule
        return found

    @staticmethod
    def _facts(reading: Reading, rechecked: Mapping[str, Fact | None]) -> dict[str, Fact]:
        """By the digest of their subject."""
        facts = [*(fact for fact in rechecked.values() if fact), *reading.facts]
        return {subject_digest(fact.subject): fact for fact in facts}

    # --- One subject ---------------------------------------------------------------------------------

    def _seen(self, firing: Firing, fact: Fact) -> None:
        firing.seen_at, firing.calm_since = self.now, None
        self._describe(firing, fact)
        if firing.state == PENDING and self.now - firing.first_seen_at >= self._hold:
            self._fire(firing)
        firing.save()

    def _began(self, fact: Fact, digest: str) -> None:
        firing = Firing(
            rule=self.rule, subject=_kept(fact.subject, MAX_SUBJECT), subject_digest=digest, state=PENDING,
            since=fact.since, first_seen_at=self.now, seen_at=self.now,
        )  # fmt: skip
        before = (
            self.rule.firings.filter(subject_digest=digest, resolved_at__gt=self.now - FLAPS_WITHIN)
            .order_by("-resolved_at")
            .first()
        )
        if before:
            firing.flaps = before.flaps + 1
            if before.snoozed_until and before.snoozed_until > self.now:
                firing.snoozed_until, firing.snoozed_by = before.snoozed_until, before.snoozed_by
                firing.snoozed_by_id = before.snoozed_by_id
        self._describe(firing, fact)
        if not self._hold:
            self._fire(firing)
        firing.save()

    @property
    def _hold(self) -> timedelta:
        return timedelta(minutes=self.rule.hold_minutes)

    @staticmethod
    def _describe(firing: Firing, fact: Fact) -> None:
        firing.title, firing.path = _kept(fact.title, MAX_TITLE), fact.path
        firing.error = _kept(fact.error, MAX_ERROR)
        firing.figures = {
            name: value if isinstance(value, int | float) else _kept(str(value), MAX_TITLE)
            for name, value in fact.figures.items()
        }

    def _fire(self, firing: Firing) -> None:
        firing.state, firing.fired_at = FIRING, self.now
        self.fired.append(firing)

    def _away(self, firing: Firing) -> None:
        """The condition does not hold any more; it is over once that has been so for long enough."""
        if firing.state == PENDING:
            firing.delete()
            return
        firing.calm_since = firing.calm_since or self.now
        if self.now - firing.calm_since >= firing.calm_needed():
            watch = self.rule.watch
            self.resolve(firing, watch.over if watch else "It is resolved.")
        else:
            firing.save(update_fields=["calm_since"])

    def resolve(self, firing: Firing, why: str) -> None:
        firing.state, firing.resolved_at, firing.why_resolved = RESOLVED, self.now, why
        firing.save()
        if firing.told:
            notify(firing, OVER, self.now)

    # --- Notifications---------------------------------------------------------------------------------

    def _notify_new(self, many: Firing | None) -> None:
        audible = [firing for firing in self.fired if not _snoozed(firing, self.now)]
        for firing in audible[:MAX_NOTIFIED]:
            self._notify(firing)
        rest = audible[MAX_NOTIFIED:]
        for firing in rest:
            firing.quiet = True
            firing.save(update_fields=["quiet"])
        if rest:
            self._notify_many(many, len(rest))
        elif many and not self.rule.firings.open().filter(quiet=True).exclude(pk=many.pk).exists():
            self.resolve(many, "All of them are resolved.")

    def _notify(self, firing: Firing) -> None:
        firing.told = notify(firing, FIRED, self.now)
        firing.reminded_at = self.now
        firing.save(update_fields=["told", "reminded_at"])

    def _notify_many(self, many: Firing | None, number: int) -> None:
        new = many is None
        if many is None:
            many = Firing(
                rule=self.rule, subject=MANY, subject_digest=subject_digest(MANY), state=FIRING,
                since=self.now, first_seen_at=self.now, fired_at=self.now,
            )  # fmt: skip
        number += int(many.figures.get("more", 0))
        many.figures, many.seen_at = {"more": number}, self.now
        many.title = f"{number} more: {self.rule.label.lower()}"
        many.save()
        if new:
            self._notify(many)

    def _remind(self) -> None:
        """Remind of what goes on: after each repeat interval, and once when a snooze is over."""
        for firing in self.rule.firings.filter(state=FIRING, quiet=False, acknowledged_at=None):
            firing.rule = self.rule
            if _snoozed(firing, self.now):
                continue
            if firing.reminded_at is None:  # it began while it was snoozed
                self._notify(firing)
                continue
            repeat = timedelta(minutes=self.rule.repeat_minutes)
            due = bool(repeat) and self.now - firing.reminded_at >= repeat
            awake = firing.snoozed_until is not None and firing.snoozed_until > firing.reminded_at
            if (due or awake) and firing.calm_since is None:
                firing.reminders, firing.reminded_at = firing.reminders + 1, self.now
                firing.told = notify(firing, STILL, self.now) or firing.told
                firing.save(update_fields=["reminders", "reminded_at", "told"])


def _snoozed(firing: Firing, now: datetime) -> bool:
    return firing.snoozed_until is not None and firing.snoozed_until > now


def _kept(text: str, most: int) -> str:
    """As the database can hold it: PostgreSQL knows no NUL, and no encoding a lone surrogate."""
    return text[:most].replace("\x00", "").encode(errors="replace").decode()


def end_all(rule: Rule, why: str, now: datetime) -> None:
    """Resolve whatever is open, since the rule is not evaluated any more. In the caller's transaction."""
    ending = RuleEvaluation(rule, now)
    for firing in list(rule.firings.open().select_for_update()):
        firing.rule = rule
        if firing.state == PENDING:
            firing.delete()
        else:
            ending.resolve(firing, why)

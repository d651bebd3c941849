"""The states of a rule's subjects: pending, firing, resolved. One round of them is one transaction.

- Nothing fires that began before the rule's baseline: a new rule does not tell of the whole past.
- A condition must hold for `hold_minutes` before it fires, and be away for `calm_minutes` before it is over; each
  time that a subject fires again within an hour the calm it needs doubles, so what flaps is told rarely.
- At most `MOST_TOLD` subjects of one round are told one by one; one firing of its own speaks for the others.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from opsportal.alerts import payloads, telling
from opsportal.alerts.rules import FIRING, FLAPS_WITHIN, MANY, PENDING, RESOLVED, Firing, Rule, subject_digest
from opsportal.alerts.watches import Fact, Reading

MOST_TOLD = 20
# Characters; a key has at most 2,048 bytes.
MOST_SUBJECT, MOST_TITLE, MOST_ERROR = 2_048, 300, 1_000


class Round:
    """One evaluation of a rule, at `now`."""

    def __init__(self, rule: Rule, now: datetime) -> None:
        self.rule, self.now = rule, now
        self.fired: list[Firing] = []

    def settle(self, reading: Reading, again: Mapping[str, Fact | None]) -> None:
        """Bring every subject to its state. `again`: see `evaluation.Look`."""
        opened = {firing.subject_digest: firing for firing in self._opened()}
        many = opened.pop(subject_digest(MANY), None)
        if not reading.unknown:
            for digest, fact in self._facts(reading, again).items():
                firing = opened.pop(digest, None)
                if firing:
                    self._seen(firing, fact)
                elif fact.since >= self.rule.baseline_at:
                    self._began(fact, digest)
            for digest, firing in opened.items():
                if reading.complete or (digest in again and again[digest] is None):
                    self._away(firing)
        self._tell_of_new(many)
        self._remind()

    def _opened(self) -> Iterable[Firing]:
        found = self.rule.firings.open().select_for_update()
        for firing in found:
            firing.rule = self.rule
        return found

    @staticmethod
    def _facts(reading: Reading, again: Mapping[str, Fact | None]) -> dict[str, Fact]:
        """By the digest of their subject."""
        facts = [*(fact for fact in again.values() if fact), *reading.facts]
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
            rule=self.rule, subject=_kept(fact.subject, MOST_SUBJECT), subject_digest=digest, state=PENDING,
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
        firing.title, firing.path = _kept(fact.title, MOST_TITLE), fact.path
        firing.error = _kept(fact.error, MOST_ERROR)
        firing.figures = {
            name: value if isinstance(value, int | float) else _kept(str(value), MOST_TITLE)
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
            self.resolve(firing, watch.over if watch else "It is over.")
        else:
            firing.save(update_fields=["calm_since"])

    def resolve(self, firing: Firing, why: str) -> None:
        firing.state, firing.resolved_at, firing.why_resolved = RESOLVED, self.now, why
        firing.save()
        if firing.told:
            telling.tell(firing, payloads.OVER, self.now)

    # --- Telling -------------------------------------------------------------------------------------

    def _tell_of_new(self, many: Firing | None) -> None:
        audible = [firing for firing in self.fired if not _snoozed(firing, self.now)]
        for firing in audible[:MOST_TOLD]:
            self._tell(firing)
        rest = audible[MOST_TOLD:]
        for firing in rest:
            firing.quiet = True
            firing.save(update_fields=["quiet"])
        if rest:
            self._tell_of_many(many, len(rest))
        elif many and not self.rule.firings.open().filter(quiet=True).exclude(pk=many.pk).exists():
            self.resolve(many, "All of them are over.")

    def _tell(self, firing: Firing) -> None:
        firing.told = telling.tell(firing, payloads.FIRED, self.now)
        firing.reminded_at = self.now
        firing.save(update_fields=["told", "reminded_at"])

    def _tell_of_many(self, many: Firing | None, number: int) -> None:
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
            self._tell(many)

    def _remind(self) -> None:
        """Say again what goes on: after each repeat interval, and once when a snooze is over."""
        for firing in self.rule.firings.filter(state=FIRING, quiet=False, acknowledged_at=None):
            firing.rule = self.rule
            if _snoozed(firing, self.now):
                continue
            if firing.reminded_at is None:  # it began while it was snoozed
                self._tell(firing)
                continue
            repeat = timedelta(minutes=self.rule.repeat_minutes)
            due = bool(repeat) and self.now - firing.reminded_at >= repeat
            awake = firing.snoozed_until is not None and firing.snoozed_until > firing.reminded_at
            if (due or awake) and firing.calm_since is None:
                firing.reminders, firing.reminded_at = firing.reminders + 1, self.now
                firing.told = telling.tell(firing, payloads.STILL, self.now) or firing.told
                firing.save(update_fields=["reminders", "reminded_at", "told"])


def _snoozed(firing: Firing, now: datetime) -> bool:
    return firing.snoozed_until is not None and firing.snoozed_until > now


def _kept(text: str, most: int) -> str:
    """As the database can hold it: PostgreSQL knows no NUL, and no encoding a lone surrogate."""
    return text[:most].replace("\x00", "").encode(errors="replace").decode()


def end_all(rule: Rule, why: str, now: datetime) -> None:
    """Resolve whatever is open, since the rule is not evaluated any more. In the caller's transaction."""
    ending = Round(rule, now)
    for firing in list(rule.firings.open().select_for_update()):
        firing.rule = rule
        if firing.state == PENDING:
            firing.delete()
        else:
            ending.resolve(firing, why)

"""Messages of actions that no receiver got: late, or not tried any more."""

from datetime import timedelta

from django.urls import reverse

from opsportal.alerts.watches import MAX_FACTS, Fact, Measure, Question, Reading, Watch
from opsportal.operations import undelivered
from opsportal.operations.outbox import LATE
from opsportal.operations.undelivered import Undelivered

LATE_MINUTES = LATE.total_seconds() / 60


def read(question: Question) -> Reading:
    """The messages of all locations that have been late for so many minutes, or are not tried any more."""
    found = undelivered.listed(limit=MAX_FACTS, now=question.now)
    facts = tuple(fact for one in found.shown if (fact := _fact(question, one)))
    return Reading(facts, complete=not found.more)


def still(question: Question, subject: str) -> Fact | None:
    found = undelivered.find(subject)
    return _fact(question, found) if found else None


def _fact(question: Question, found: Undelivered) -> Fact | None:
    """None of one that is not late for long enough."""
    late = (found.since or question.now) + timedelta(minutes=question.threshold)
    since = found.given_up_at or question.now if found.given_up else late
    if not found.given_up and late > question.now:
        return None
    about = f" of {found.target.logical} {found.target.id}" if found.target else ""
    state = "is not tried any more" if found.given_up else "is late"
    return Fact(
        found.key,
        f"The message {found.kind}{about} {state}",
        since,
        {"tries": found.tries, "action_id": found.action_id},
        reverse("operations:undelivered"),
        found.why,
    )


WATCH = Watch(
    name="message.undelivered",
    label="A message is not delivered",
    explained="The message of an action is late, or is not tried any more.",
    kind="message",
    read=read,
    still=still,
    over="It was delivered or dropped.",
    threshold=Measure("Late for (minutes)", lambda: LATE_MINUTES, LATE_MINUTES, 1_440),
)

"""Cases as alert rules watch them."""

from datetime import timedelta

from django.urls import reverse

from opsportal.alerts.watches import Fact, Figures, Measure, Question, Reading, Watch
from opsportal.failures import store
from opsportal.failures.case import Case
from opsportal.failures.words import is_waiting, table_label, title_of

MAX_MINUTES = 30 * 1440


def _fact(question: Question, case: Case) -> Fact | None:
    """None where somebody has acknowledged, muted or resolved it, or not enough time has passed."""
    waits_since = max(filter(None, (case.opened_at, case.reopened_at))) + timedelta(
        minutes=question.threshold
    )
    wanted = question.filters.get("table", "")
    if not is_waiting(case, question.now) or question.now < waits_since or wanted not in ("", case.logical):
        return None
    minutes = (question.now - waits_since) // timedelta(minutes=1) + int(question.threshold)
    figures: Figures = {
        "table": case.logical,
        "step": case.label or case.step,
        "runs": case.count,
        "owner": case.owner,
        "minutes_open": minutes,
    }
    return Fact(
        case.id,
        f"{table_label(case.logical)}: {title_of(case)}",
        waits_since,
        figures,
        reverse("failures:case", args=[case.id]),
        case.line,
    )


def _unacknowledged(question: Question) -> Reading:
    found = store.active()
    facts = tuple(fact for case in found if (fact := _fact(question, case)))
    note = "There are more active cases than are read." if found.cut else ""
    return Reading(facts, not found.cut, note=note)


def _still(question: Question, case_id: str) -> Fact | None:
    case = store.find(case_id)
    return _fact(question, case) if case else None


UNACKNOWLEDGED = Watch(
    name="case.unacknowledged",
    label="A failure case is open and not acknowledged",
    explained="Each failure case, once. Muted cases are left out.",
    kind="case",
    read=_unacknowledged,
    still=_still,
    over="It was acknowledged, muted or resolved.",
    threshold=Measure("Open for (minutes)", lambda: 10, 0, MAX_MINUTES),
    filters={"table": "Table"},
    calm_minutes=0,
)

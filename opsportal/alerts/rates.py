"""The share of failures, of items that were read one by one."""

from collections.abc import Sequence
from datetime import datetime

from opsportal.alerts.watches import Fact, Question, Reading


def reading(
    question: Question, ended: Sequence[tuple[bool, datetime | None]], complete: bool, nouns: str, path: str
) -> Reading:
    """`ended`: (failed, when it was created) of items that ended, the newest first; `complete`: all of the window.

    Where there are more than can be read, it is the rate of the newest, which the figures and a note say. Fewer
    than the minimum are no rate: whatever fired is over.
    """
    total, bad = len(ended), sum(failed for failed, _ in ended)
    minutes = question.window.total_seconds() / 60
    note = ""
    if not complete:
        oldest = min((at for _, at in ended if at), default=question.since)
        minutes = max(1, round((question.now - oldest).total_seconds() / 60))
        note = (
            f"More ended than can be read at once: this is the rate of the newest {total}, of {minutes} min."
        )
    if total < question.minimum or not total:
        return Reading(note=note)
    percent = round(100 * bad / total, 1)
    if 100 * bad / total < question.threshold:
        return Reading(note=note)
    figures = {"failed": bad, "ended": total, "percent": percent, "window_minutes": minutes}
    title = f"{nouns}: {percent:g} % of {total} failed"
    return Reading((Fact("", title, question.now, figures, path),), note=note)

"""The columns of the list of jobs."""

from html import escape

from opsportal.console import cells, figures
from opsportal.console.columns import Column, PageState
from opsportal.console.icons import icon
from opsportal.console.text import exact
from opsportal.jobs.shown import Shown


def _state(row: Shown, page: PageState) -> str:
    return f'<span class="status tone-{row.tone}">{icon(row.icon)}<bdi>{row.job.state}</bdi></span>'


def _progress(row: Shown, page: PageState) -> str:
    if row.counts and row.begun:
        bar = figures.share_bar(
            [(one.label, one.tone, one.count) for one in row.parts], label="Progress", height=6
        )
        return f'<span class="job-progress">{bar}<span class="num">{row.summary}</span></span>'
    if row.job.matched:
        return f'<span class="num">{cells.thousands(row.job.matched)} matched</span>'
    return str(cells.NOTHING)


def _counted(row: Shown) -> dict[str, int] | None:
    """None until its set is known."""
    job, counts = row.job, row.counts
    found = {"matched": job.matched, "eligible": job.eligible}
    if counts and row.begun:
        outcomes = ("done", "skipped", "failed", "pending")
        return found | {name: getattr(counts, name) for name in outcomes}
    return found if job.matched else None


def _by(row: Shown, page: PageState) -> str:
    by = row.job.actor
    title = f' title="{escape(exact(by.id))}"' if by.id else ""
    return (
        f'<span{title}>{cells.excerpt(by.name, 40)} <span class="muted">{cells.shown(by.role)}</span></span>'
    )


def _why(row: Shown, page: PageState) -> str:
    return cells.toned(row.tone, cells.excerpt(row.job.why, 160)) if row.job.why else str(cells.NOTHING)


COLUMNS: tuple[Column[Shown], ...] = (
    Column("state", "State", lambda row: str(row.job.state), _state, css="is-tight", stacked=False),
    Column("job_id", "Job", lambda row: row.id, lambda row, page: cells.row_link(row.url, escape(row.title)), css="is-tight", stacked=False),
    Column("action", "Action", lambda row: row.job.action.value, lambda row, page: f"<code>{row.job.action.value}</code>", css="is-tight", priority=3),
    Column("progress", "Progress", _counted, _progress, css="is-tight"),
    Column("by", "By", lambda row: row.job.actor.name, _by, css="is-tight", priority=2),
    Column("created_at", "Created", lambda row: row.job.created_at, lambda row, page: page.when(row.job.created_at), css="is-tight"),
    Column("ended_at", "Ended", lambda row: row.job.ended_at, lambda row, page: page.when(row.job.ended_at), css="is-tight", priority=3),
    Column("reason", "Reason", lambda row: row.job.reason or None, lambda row, page: cells.excerpt(row.job.reason, 120), css="is-wide", stacked=False, priority=2),
    Column("why", "Why", lambda row: row.job.why or None, _why, css="is-wide"),
)  # fmt: skip

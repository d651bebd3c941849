"""What a status looks like: six tones, each with its own colour, shape and icon."""

from __future__ import annotations

SUCCESS, FAILED, RUNNING = "success", "failed", "running"
WAITING, ATTENTION, UNKNOWN = "waiting", "attention", "unknown"

ICONS = {
    SUCCESS: "circle-check",
    FAILED: "circle-x",
    RUNNING: "progress",
    WAITING: "clock",
    ATTENTION: "alert-triangle",
    UNKNOWN: "help-hexagon",
}

# The documented statuses of the four tables and those that deployed writers are known to use.
_TONES = {
    SUCCESS: "completed success succeeded complete done active healthy",
    FAILED: "failed failure error errored offline unhealthy",
    RUNNING: "running processing executing in-progress in_progress loading initializing started",
    WAITING: "waiting pending queued scheduled submitted",
    ATTENTION: "cancelled canceled stale warning stopped inactive degraded expired skipped stuck timeout",
}
_TONE_OF = {status: tone for tone, statuses in _TONES.items() for status in statuses.split()}


def tone_of(status: object) -> str:
    """The tone of a status, compared without case; one that is not known is `unknown`, never success."""
    if not isinstance(status, str):
        return UNKNOWN
    return _TONE_OF.get(status.strip().lower(), UNKNOWN)

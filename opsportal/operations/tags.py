"""The words of the audit trail: every effect that the console can have, as ``subject:verb``."""

import enum
from dataclasses import dataclass
from typing import Self


class Action(enum.StrEnum):
    """What was done. The subject is the logical table in the singular, the verb that of view and URL; `past` begins
    the sentence that says so, and `spoken` is the verb in one."""

    past: str
    spoken: str

    def __new__(cls, value: str, past: str = "", spoken: str = "") -> Self:
        tag = str.__new__(cls, value)
        tag._value_ = value
        tag.past, tag.spoken = past, spoken or value.partition(":")[2]
        return tag

    REQUEST_SUBMIT = "request:submit", "Submitted"
    REQUEST_CANCEL = "request:cancel", "Cancelled"
    REQUEST_RETRY = "request:retry", "Retried"
    REQUEST_FAIL = "request:fail", "Marked failed", "mark failed"
    REQUEST_COMPLETE = "request:complete", "Marked completed", "mark completed"
    REQUEST_PURGE = "request:purge", "Purged"
    REQUEST_PURGE_LOGS = "request:purge_logs", "Logs deleted"
    REQUEST_EXPIRE = "request:expire", "Given an expiry"
    REQUEST_KEEP = "request:keep", "Kept"
    REQUEST_UNDO = "request:undo", "Undone"
    WORKFLOW_CANCEL = "workflow:cancel", "Cancelled"
    WORKFLOW_RETRY = "workflow:retry", "Retried"
    WORKFLOW_FAIL = "workflow:fail", "Marked failed", "mark failed"
    WORKFLOW_COMPLETE = "workflow:complete", "Marked completed", "mark completed"
    WORKFLOW_PURGE = "workflow:purge", "Purged"
    WORKFLOW_UNDO = "workflow:undo", "Undone"
    AGENT_REGISTER = "agent:register", "Registered"
    AGENT_EDIT = "agent:edit", "Edited"
    AGENT_ACTIVATE = "agent:activate", "Activated"
    AGENT_DEACTIVATE = "agent:deactivate", "Deactivated"
    AGENT_PURGE = "agent:purge", "Purged"
    AGENT_UNDO = "agent:undo", "Undone"
    AGENT_HEARTBEAT = "agent:heartbeat", "Heartbeat sent"
    MESSAGE_RESEND = "message:resend", "Queued again", "send again"
    MESSAGE_DROP = "message:drop", "Dropped"
    JOB_START = "job:start", "Started"
    JOB_PAUSE = "job:pause", "Paused"
    JOB_RESUME = "job:resume", "Resumed"
    JOB_PACE = "job:pace", "Pace changed", "change the pace"
    JOB_STOP = "job:stop", "Stopped"
    JOB_HALT = "job:halt", "Halted"
    JOB_FINISH = "job:finish", "Finished"
    CASE_ACKNOWLEDGE = "case:acknowledge", "Acknowledged"
    CASE_ASSIGN = "case:assign", "Assigned"
    CASE_NOTE = "case:note", "Note added", "add a note"
    CASE_MUTE = "case:mute", "Muted"
    CASE_RESOLVE = "case:resolve", "Resolved"
    CASE_REOPEN = "case:reopen", "Reopened"
    EXPORT_START = "export:start", "Started"
    EXPORT_FINISH = "export:finish", "Ended", "end"
    EXPORT_DOWNLOAD = "export:download", "Downloaded"

    @property
    def subject(self) -> str:
        return self.value.partition(":")[0]

    @property
    def verb(self) -> str:
        return self.value.partition(":")[2]

    @property
    def is_for_worker(self) -> bool:
        """Whether a program of the item's owners is to take it up."""
        return self.verb in ("submit", "retry", "cancel")

    @property
    def phrase(self) -> str:
        """What lists and headings say, as "Request purged"."""
        changed = "change " if self.verb == "undo" else ""
        return f"{self.subject.capitalize()} {changed}{self.past.lower()}"


# The subject of what is done with a message of the outbox. The entry's target is the item that it is about.
MESSAGE = "message"
# The subject of what is done with a job as a whole. The entry's target is the job's id, in the table that it is over.
JOB = "job"
# The subject of what is done with a failure case. The entry's target is the case's id, in the table whose items failed.
CASE = "case"
# The subject of the export of a list. The entry's target is the export's id, in the table that the list is of.
EXPORT = "export"
# What programs do by the clock, and no person decides: lists leave it out until it is asked for.
ROUTINE = Action.AGENT_HEARTBEAT


@dataclass(frozen=True)
class UnknownAction:
    """A word of the trail that this version does not know: another version's, or another program's."""

    value: str

    @property
    def subject(self) -> str:
        return self.value.partition(":")[0]

    @property
    def verb(self) -> str:
        return self.value.partition(":")[2] or self.value

    @property
    def spoken(self) -> str:
        return self.verb

    @property
    def past(self) -> str:
        return f"Action {self.value}"

    @property
    def phrase(self) -> str:
        return self.value


def read_action(word: str) -> Action | UnknownAction:
    try:
        return Action(word)
    except ValueError:
        return UnknownAction(word)

"""The words of the audit trail: every effect that the console can have, as ``subject:verb``."""

import enum
from dataclasses import dataclass

# What a verb is called in a sentence, where that is more than the verb.
_SPOKEN = {"fail": "mark failed", "complete": "mark completed"}


class Action(enum.StrEnum):
    """What was done. The subject is the logical table in the singular, the verb that of view and URL."""

    REQUEST_SUBMIT = "request:submit"
    REQUEST_CANCEL = "request:cancel"
    REQUEST_RETRY = "request:retry"
    REQUEST_FAIL = "request:fail"
    REQUEST_COMPLETE = "request:complete"
    REQUEST_PURGE = "request:purge"
    REQUEST_PURGE_LOGS = "request:purge_logs"
    REQUEST_EXPIRE = "request:expire"
    REQUEST_KEEP = "request:keep"
    REQUEST_UNDO = "request:undo"
    WORKFLOW_CANCEL = "workflow:cancel"
    WORKFLOW_RETRY = "workflow:retry"
    WORKFLOW_FAIL = "workflow:fail"
    WORKFLOW_COMPLETE = "workflow:complete"
    WORKFLOW_PURGE = "workflow:purge"
    WORKFLOW_UNDO = "workflow:undo"
    AGENT_REGISTER = "agent:register"
    AGENT_EDIT = "agent:edit"
    AGENT_ACTIVATE = "agent:activate"
    AGENT_DEACTIVATE = "agent:deactivate"
    AGENT_PURGE = "agent:purge"
    AGENT_UNDO = "agent:undo"
    AGENT_HEARTBEAT = "agent:heartbeat"

    @property
    def subject(self) -> str:
        return self.value.partition(":")[0]

    @property
    def verb(self) -> str:
        return self.value.partition(":")[2]

    @property
    def spoken(self) -> str:
        """The verb in a sentence."""
        return _SPOKEN.get(self.verb, self.verb)


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


def read_action(word: str) -> Action | UnknownAction:
    try:
        return Action(word)
    except ValueError:
        return UnknownAction(word)

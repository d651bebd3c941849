"""The setting ACTIONS: while it is off, the console writes no item of the tables, whoever asks for it."""

from django.conf import settings

from opsportal.operations.outcomes import ActionsOff
from opsportal.operations.tasks import NotNow

OFF = "Actions are off (ACTIONS=off): this console is read-only."
WAITS = "Actions are off (ACTIONS=off), so this waits."


def check_actions_are_on() -> None:
    """Raises ActionsOff."""
    if settings.ACTIONS_OFF:
        raise ActionsOff(OFF)


def wait_for_actions() -> None:
    """For the worker's tasks. Raises NotNow."""
    if settings.ACTIONS_OFF:
        raise NotNow(WAITS)

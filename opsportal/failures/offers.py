"""The buttons of a case, and the page (or dialog) of each."""

from dataclasses import replace

from opsportal.failures.actions import MANAGE
from opsportal.failures.forms import AssignForm, MuteForm, NoteForm, ResolveForm
from opsportal.operations.forms import ActionForm
from opsportal.operations.item_actions import Offer
from opsportal.operations.tags import Action


def _offer(
    tag: Action, label: str, icon: str, title: str, effect: str, form_class: type[ActionForm] = ActionForm
) -> Offer:
    return Offer(tag, MANAGE, label=label, icon=icon, title=title, effect=effect, form_class=form_class)


ACKNOWLEDGE = _offer(
    Action.CASE_ACKNOWLEDGE, "Acknowledge", "eye", "Acknowledge the case",
    "Says that somebody works on it. It no longer counts as open.",
)  # fmt: skip
ASSIGN = _offer(
    Action.CASE_ASSIGN, "Assign", "user", "Assign the case",
    "Gives the case an owner. Its state does not change.", AssignForm,
)  # fmt: skip
NOTE = _offer(
    Action.CASE_NOTE, "Add note", "plus", "Add a note",
    "Everybody who sees the case sees the note.", NoteForm,
)  # fmt: skip
MUTE = _offer(
    Action.CASE_MUTE, "Mute", "bell-off", "Mute the case",
    "Its failures fire no alerts. The badge and the overview leave the case out. Its failures are still counted.", MuteForm,
)  # fmt: skip
# The same form, where there is a mute to change.
CHANGE_MUTE = replace(MUTE, label="Change or end mute")
END_MUTE = replace(MUTE, said="The mute has ended.")
RESOLVE = _offer(
    Action.CASE_RESOLVE, "Resolve", "circle-check", "Resolve the case",
    "Says that it is fixed. A run that fails after this reopens it.", ResolveForm,
)  # fmt: skip
REOPEN = _offer(
    Action.CASE_REOPEN, "Reopen", "history", "Reopen the case",
    "Makes it open again, with its owner and notes.",
)  # fmt: skip

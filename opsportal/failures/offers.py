"""The buttons of a case, and the page (or dialog) of each."""

from dataclasses import replace

from opsportal.failures.actions import MANAGE
from opsportal.failures.forms import AssignForm, MuteForm, NoteForm, ResolveForm
from opsportal.operations.item_actions import Offer
from opsportal.operations.tags import Action

ACKNOWLEDGE = Offer(
    Action.CASE_ACKNOWLEDGE,
    MANAGE,
    label="Acknowledge",
    icon="eye",
    title="Acknowledge the case",
    effect="Says that somebody works on it. It does not count as open any more.",
)
ASSIGN = Offer(
    Action.CASE_ASSIGN,
    MANAGE,
    label="Assign",
    icon="user",
    title="Assign the case",
    effect="Gives the case an owner. Its state does not change.",
    form_class=AssignForm,
)
NOTE = Offer(
    Action.CASE_NOTE,
    MANAGE,
    label="Add note",
    icon="plus",
    title="Add a note",
    effect="Everybody who sees the case sees the note.",
    form_class=NoteForm,
)
MUTE = Offer(
    Action.CASE_MUTE,
    MANAGE,
    label="Mute",
    icon="bell-off",
    title="Mute the case",
    effect="Its failures fire no alerts. The badge and the overview leave the case out. Its failures are still counted.",
    form_class=MuteForm,
)
# The same form, where there is a mute to change.
CHANGE_MUTE = replace(MUTE, label="Change or end mute")
RESOLVE = Offer(
    Action.CASE_RESOLVE,
    MANAGE,
    label="Close",
    icon="circle-check",
    title="Close the case",
    effect="Says that it is fixed. An occurrence that fails after this reopens it.",
    form_class=ResolveForm,
)
REOPEN = Offer(
    Action.CASE_REOPEN,
    MANAGE,
    label="Reopen",
    icon="history",
    title="Reopen the case",
    effect="Makes it open again, with its owner and notes.",
)

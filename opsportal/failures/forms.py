"""The forms of what is done with a case."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from opsportal.accounts.actors import user_id
from opsportal.accounts.roles import staff_with
from opsportal.failures.actions import MANAGE
from opsportal.failures.case import MAX_NOTE
from opsportal.failures.words import UNTIL_CLOSED
from opsportal.operations.entries import MAX_REASON
from opsportal.operations.forms import ActionForm

# People who are offered as owners.
MAX_PEOPLE = 200


def people() -> list[tuple[str, str]]:
    """(id, name) of who may take a case: staff whose role may act on it."""
    return [(user_id(user), user.get_username()) for user in staff_with(MANAGE)[:MAX_PEOPLE]]


class AssignForm(ActionForm):
    """`owner`: an account's id, "" for no owner."""

    owner = forms.ChoiceField(
        label="Owner", required=False, widget=forms.Select(attrs={"class": "form-select"})
    )

    field_order = ("owner", "reason")

    def __init__(self, *args: Any, owner: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].choices = [("", "Unassigned"), *people()]  # type: ignore[attr-defined]
        self.fields["owner"].initial = owner


class NoteForm(ActionForm):
    """The note is the reason of its entry."""

    reason = forms.CharField(
        label="Note",
        max_length=MAX_NOTE,
        widget=forms.Textarea(attrs={"class": "form-control", "rows": 3}),
        help_text="Ids become links. Recorded in the audit trail.",
        error_messages={"required": "Write a note."},
    )


class ResolveForm(ActionForm):
    reason = forms.CharField(
        label="What fixed it",
        max_length=MAX_REASON,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        help_text="Required. A run that fails after this reopens the case.",
        error_messages={"required": "Enter what fixed it."},
    )


LENGTHS = {"1h": ("1 hour", 1), "4h": ("4 hours", 4), "1d": ("1 day", 24)}
CLOSED, DATE, END = "closed", "date", "end"


class MuteForm(ActionForm):
    """`until`: None ends a mute. `muted`: whether there is one to end."""

    length = forms.ChoiceField(
        label="Mute for",
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        choices=[
            *((key, label) for key, (label, _) in LENGTHS.items()),
            (CLOSED, "Until it is resolved"),
            (DATE, "Until a date"),
        ],
        initial="4h",
    )
    date = forms.CharField(
        label="Date",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"class": "form-control", "type": "datetime-local"}),
        help_text="Only with “Until a date”, in your time zone.",
    )
    field_order = ("length", "date", "reason")

    def __init__(self, *args: Any, zone: ZoneInfo | None = None, muted: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone or ZoneInfo("UTC")
        if muted:
            self.fields["length"].choices = [(END, "End the mute"), *self.fields["length"].choices]  # type: ignore[attr-defined]
        self.until: datetime | None = None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        length, now = data.get("length"), datetime.now(UTC)
        if length in LENGTHS:
            self.until = now + timedelta(hours=LENGTHS[length][1])
        elif length == CLOSED:
            self.until = UNTIL_CLOSED
        elif length == DATE:
            self.until = self._date(data.get("date", ""), now)
        return data

    def _date(self, given: str, now: datetime) -> datetime | None:
        try:
            found = datetime.fromisoformat(given)
            until = (found if found.tzinfo else found.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.add_error("date", "Enter a date and a time, such as 2026-12-24 08:00.")
            return None
        if until <= now or until >= UNTIL_CLOSED:
            self.add_error("date", "Enter a time in the future.")
        return until

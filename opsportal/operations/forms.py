"""The form of an action: why, and for what can't be taken back, the id typed."""

from typing import Any

from django import forms

from opsportal.operations.changes import Raw
from opsportal.operations.entries import CONTROLS, MAX_REASON, is_action_id, new_action_id


class WithReason(forms.Form):
    """Why something is done; a base of other forms."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        max_length=MAX_REASON,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        help_text="Optional. Recorded in the audit trail.",
    )

    def clean_reason(self) -> str:
        # A browser may send a line break as two characters.
        given: str = self.cleaned_data["reason"].replace("\r\n", "\n")
        if CONTROLS.search(given):
            raise forms.ValidationError(
                "The reason has control characters, which are not visible. Type it again without them."
            )
        return given


class ActionForm(WithReason):
    """`key`: what must be typed to confirm, "" when nothing must. `without_image` is asked for only where no
    copy for an undo can be kept. `raw`: the item as read, for what a form shows of it; None where it is gone."""

    action_id = forms.CharField(widget=forms.HiddenInput)
    confirm = forms.CharField(
        required=False,
        strip=False,
        widget=forms.TextInput(
            attrs={"class": "form-control mono", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    without_image = forms.BooleanField(
        label="I understand that this can't be undone: it is too large to keep a copy.",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(
        self, *args: Any, key: str = "", too_large: bool = False, raw: Raw | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("initial", {"action_id": new_action_id()})
        super().__init__(*args, **kwargs)
        self.key = key
        if key:
            self.fields["confirm"].label = "Type its id to confirm"
        else:
            del self.fields["confirm"]
        if not too_large:
            del self.fields["without_image"]
        else:
            self.fields["without_image"].required = True
            self.fields["without_image"].error_messages["required"] = (
                "Confirm that this can't be undone: it is too large to keep a copy."
            )

    def data_of_intent(self) -> dict[str, Any]:
        """What the action's plan gets besides the reason, of the cleaned data."""
        return {"without_image": True} if self.cleaned_data.get("without_image") else {}

    def clean_action_id(self) -> str:
        given: str = self.cleaned_data["action_id"]
        if not is_action_id(given):
            raise forms.ValidationError("Reload the page and do it again: the form has no valid action id.")
        return given

    def clean_confirm(self) -> str:
        given: str = self.cleaned_data["confirm"]
        # A text field can hold neither line breaks nor NUL, which keys may have: they are left out of both.
        if _typed(given) != _typed(self.key):
            raise forms.ValidationError("This is not its id. Type it exactly, or copy it.")
        return given


class ReasonedForm(ActionForm):
    """Where the reason is more than a note: it is written into the item."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = True
        self.fields["reason"].help_text = "Becomes its error. Recorded in the audit trail."
        self.fields["reason"].error_messages["required"] = "Enter a reason: it becomes the item's error."


def _typed(text: str) -> str:
    return "".join(text.replace("\x00", "").split())

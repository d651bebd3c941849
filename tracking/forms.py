"""The form of a retry: from where."""

from collections.abc import Sequence
from typing import Any

from django import forms

from opsportal.operations.forms import ActionForm

WHOLE = "whole"
# An attribute may have any name; a choice of the form has it behind this, in characters that a form carries.
STEP = "step:"


class RetryForm(ActionForm):
    """`steps`: (value, label) of each recorded step; `start`: the value that is chosen at first.

    A choice that was made on an older state is refused, never reinterpreted.
    """

    start = forms.ChoiceField(
        label="What runs again",
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text="Orchestrators get the step as fromStep and may ignore it: one that does not know it runs the whole "
        "workflow.",
        error_messages={"invalid_choice": "This step is not recorded (any more). Choose one of the list."},
    )
    field_order = ("start", "reason")

    def __init__(
        self, *args: Any, steps: Sequence[tuple[str, str]] = (), start: str = WHOLE, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["start"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(WHOLE, "From the start: the whole workflow"), *steps]
        field.initial = start

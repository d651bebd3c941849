"""The form of a retry: from where."""

from typing import Any

from django import forms

from opsportal.operations.forms import ActionForm

WHOLE, FROM_FAILED = "whole", "first_failed"


class RetryForm(ActionForm):
    """`failed`: the label of the first failed step, "" when none has failed: then there is no choice.

    The field is there in any case: a choice that was made on an older state is refused, never reinterpreted.
    """

    start = forms.ChoiceField(label="What runs again", widget=forms.Select(attrs={"class": "form-select"}))
    field_order = ("start", "reason")

    def __init__(self, *args: Any, failed: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        start = self.fields["start"]
        assert isinstance(start, forms.ChoiceField)
        whole = (WHOLE, "The whole workflow")
        start.choices = [(FROM_FAILED, f"From the first failed step on: {failed}"), whole]
        start.initial = FROM_FAILED if failed else WHOLE
        if not failed:
            start.widget = forms.HiddenInput()

"""The forms of jobs: what a job is made of, its pace, and the confirmation of its start."""

from typing import Any

from django import forms
from django.conf import settings

from opsportal.environments import is_strict
from opsportal.jobs.control import DEFAULT_PACE, FEW
from opsportal.jobs.job import Job, Pace
from opsportal.operations.forms import ActionForm

PACED, AT_ONCE = "paced", "once"
# Of either number of a pace: as many as a job may have items.
MAX_PACE = 1_000_000


def _number(label: str, least: int, most: int) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=least, max_value=most, widget=_number_input("numeric")
    )


def _number_input(mode: str) -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "form-control form-control-sm", "inputmode": mode})


class PaceFields(forms.Form):
    """`pace`: PACED or AT_ONCE; the numbers are those of a pace, and count only with PACED."""

    pace = forms.ChoiceField(
        choices=((PACED, "First a few, then steady"), (AT_ONCE, "At once")), widget=forms.RadioSelect
    )
    first = _number("First", 1, MAX_PACE)
    per_minute = _number("Then a minute", 1, MAX_PACE)
    # As exact as programs may say it.
    halt_percent = forms.DecimalField(
        label="Halt at % failed again",
        required=False,
        min_value=0,
        max_value=100,
        decimal_places=1,
        widget=_number_input("decimal"),
    )

    def choose(self, pace: Pace | None, *, observed: bool) -> None:
        """Show this pace. Without outcomes there is no share to halt at."""
        shown = pace or DEFAULT_PACE
        self.halt_share = shown.halt_share
        self.initial.update(
            {
                "pace": PACED if pace else AT_ONCE,
                "first": shown.first,
                "per_minute": shown.per_minute,
                "halt_percent": shown.halt_percent,
            }
        )
        if not observed:
            del self.fields["halt_percent"]

    @property
    def numbers(self) -> list[forms.BoundField]:
        return [self[name] for name in ("first", "per_minute", "halt_percent") if name in self.fields]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or self.cleaned_data
        for name in ("first", "per_minute", "halt_percent"):
            if name not in self.fields:
                continue
            if found.get("pace") != PACED:
                self.errors.pop(name, None)
            elif found.get(name) is None and name not in self.errors:
                self.add_error(name, "Enter a number.")
        return found

    def chosen(self) -> Pace | None:
        """Of valid data; None: at once."""
        found = self.cleaned_data
        if found["pace"] == AT_ONCE:
            return None
        percent = found.get("halt_percent")
        share = self.halt_share if percent is None else percent / 100
        return Pace(found["first"], found["per_minute"], share)


def _typed() -> forms.CharField:
    attrs = {"class": "form-control mono", "autocomplete": "off", "spellcheck": "false"}
    return forms.CharField(required=False, widget=forms.TextInput(attrs=attrs))


class StartForm(PaceFields):
    """Start a job whose preview is ready. What deletes asks for the count, and a strict environment for its name."""

    expected = forms.IntegerField(widget=forms.HiddenInput)
    count = _typed()
    environment = _typed()

    def __init__(self, *args: Any, job: Job, typed: bool, observed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.job = job
        # As `control.start` does it.
        few = job.eligible < FEW and job.pace == DEFAULT_PACE
        self.offered = None if few else job.pace
        self.choose(self.offered, observed=observed)
        self.initial["expected"] = job.eligible
        self.fields["count"].label = f"Type {job.eligible} to confirm"
        self.fields["environment"].label = f"Type {settings.OPSPORTAL_ENV} to confirm"
        if not typed:
            del self.fields["count"]
        if not is_strict(settings.OPSPORTAL_ENV):
            del self.fields["environment"]

    def clean_count(self) -> str:
        given: str = self.cleaned_data["count"]
        if "".join(given.split()).replace(",", "") != str(self.job.eligible):
            raise forms.ValidationError(f"Type {self.job.eligible}: that many items are deleted.")
        return given

    def clean_environment(self) -> str:
        given: str = self.cleaned_data["environment"]
        if given.strip() != settings.OPSPORTAL_ENV:
            raise forms.ValidationError(f"This is not its name. Type {settings.OPSPORTAL_ENV}.")
        return given


class PaceForm(PaceFields, ActionForm):
    """Change the pace of a job."""

    field_order = ("pace", "first", "per_minute", "halt_percent")

    def __init__(self, *args: Any, job: Job, observed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["reason"]
        self.choose(job.pace, observed=observed)

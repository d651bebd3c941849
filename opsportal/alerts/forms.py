"""The forms of rules and webhooks."""

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from opsportal.alerts import sending
from opsportal.alerts.changes import Change
from opsportal.alerts.rules import Rule
from opsportal.alerts.watches import Measure, Watch
from opsportal.alerts.webhooks import Webhook
from opsportal.console.converters import unquote_key
from opsportal.console.drawn_forms import DrawnForm
from opsportal.console.numbers import setting
from opsportal.console.parameters import QUOTED, form_field
from opsportal.console.text import exact
from opsportal.outbound import Refused

MAX_MINUTES = 30 * 1440
_TEXT: dict[str, Any] = {"class": "form-control", "autocomplete": "off"}
_NUMBER: dict[str, Any] = {"class": "form-control"}


def _who(subject: str, pk: Any) -> str:
    """Who changed it last."""
    last = (
        Change.objects.filter(verb__startswith=f"{subject}:", target_id=str(pk))
        .order_by("-at", "-pk")
        .first()
    )
    return last.actor if last else ""


def _name(kind: Any, instance: Any, text: str) -> str:
    """The name, which no other of its kind may have."""
    same = kind.objects.kept().filter(name=text)
    if instance is not None and instance.pk:
        same = same.exclude(pk=instance.pk)
    if same.exists():
        raise forms.ValidationError("This name is already used.")
    return text


class _ValueInput(forms.TextInput):
    """A value of an item, which a line box would change where it has line breaks: see `form_field`."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        name, value = form_field(name, str(value or ""))
        return super().get_context(name, value, attrs)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        text, quoted = str(data.get(name, "")), str(data.get(f"{name}{QUOTED}", ""))
        try:
            return text or unquote_key(quoted)
        except ValueError:
            return quoted


class RuleForm(DrawnForm):
    """What `watch` lets a rule set; what is left empty is as the watch, or the setting behind it, has it."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs=_TEXT))

    def __init__(self, *args: Any, watch: Watch, rule: Rule | None = None, **kwargs: Any) -> None:
        self.watch, self.rule = watch, rule
        kwargs.setdefault("initial", self.values_of(rule) if rule else {})
        super().__init__(*args, **kwargs)
        for name, measure in self.measures.items():
            self.fields[name] = _number(measure, whole=name != "threshold")
        for name, label in watch.filters.items():
            widget = _ValueInput(attrs={**_TEXT, "spellcheck": "false", "placeholder": "any"})
            field = f"filter_{name}"
            value = widget.value_from_datadict(self.data, {}, field) or self.initial.get(field, "")
            self.fields[field] = forms.CharField(
                label=f"Only this {label[0].lower()}{label[1:]}",
                required=False,
                max_length=200,
                # Compared with what items hold, space at its ends and all.
                strip=False,
                widget=widget,
                help_text="" if exact(value) == value else f"Exactly {exact(value)}",
            )
        self.fields["hold_minutes"] = _minutes("Pending for (minutes)", "0: fires at once.", 0)
        self.fields["calm_minutes"] = _minutes(
            "Resolve after (minutes)",
            "How long the condition must be gone. Doubled, up to an hour, each time that the same alert fires again within an hour.",
            watch.calm_minutes,
        )
        self.fields["repeat_minutes"] = _minutes(
            "Repeat every (minutes)",
            "0: never. Acknowledged alerts are not repeated.",
            0,
        )
        self.fields["webhooks"] = forms.ModelMultipleChoiceField(
            Webhook.objects.kept(),
            required=False,
            widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
            label="Notify",
        )
        if rule:
            self.draw(rule)

    @property
    def measures(self) -> dict[str, Measure]:
        watch = self.watch
        found = {"threshold": watch.threshold, "minimum": watch.minimum, "window_minutes": watch.window}
        return {name: measure for name, measure in found.items() if measure}

    def who_changed(self, instance: Rule) -> str:
        return _who("rule", instance.pk)

    def values_of(self, instance: Rule) -> dict[str, Any]:
        names = (
            "name", "threshold", "minimum", "window_minutes", "hold_minutes", "calm_minutes", "repeat_minutes",
        )  # fmt: skip
        return {
            **{name: _as_entered(getattr(instance, name)) for name in names},
            **{f"filter_{name}": instance.filters.get(name, "") for name in self.watch.filters},
            "webhooks": list(instance.webhooks.kept()),
        }

    def clean_name(self) -> str:
        return _name(Rule, self.rule, self.cleaned_data["name"])

    @property
    def values(self) -> dict[str, Any]:
        """The rule's fields as they are to be, the webhooks apart."""
        data = self.cleaned_data
        filters = {name: data[f"filter_{name}"] for name in self.watch.filters if data[f"filter_{name}"]}
        names = ("name", *self.measures, "hold_minutes", "calm_minutes", "repeat_minutes")
        return {**{name: data[name] for name in names}, "filters": filters}


def _as_entered(value: Any) -> Any:
    """30, as it was entered, of the 30.0 that is stored."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(measure: Measure, *, whole: bool) -> forms.Field:
    default = measure.default()
    hint = f"{measure.hint} Empty: {setting(default)}.".strip()
    kind = forms.IntegerField if whole else forms.FloatField
    least, most = (int(measure.least), int(measure.most)) if whole else (measure.least, measure.most)
    return kind(
        label=measure.label,
        required=False,
        validators=[MinValueValidator(least), MaxValueValidator(most)],
        widget=forms.NumberInput(attrs={**_NUMBER, "min": setting(least),
                                        "max": most, "step": "any" if not whole else 1,
                                        "placeholder": setting(default)}),
        help_text=hint,
    )  # fmt: skip


def _minutes(label: str, hint: str, initial: int) -> forms.Field:
    return forms.IntegerField(
        label=label,
        min_value=0,
        max_value=MAX_MINUTES,
        initial=initial,
        widget=forms.NumberInput(attrs=_NUMBER),
        help_text=hint,
    )


class WebhookForm(DrawnForm):
    """A name and an address that may be notified; the address is resolved."""

    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs=_TEXT))
    url = forms.CharField(
        label="URL",
        max_length=sending.MAX_URL,
        widget=forms.TextInput(attrs={**_TEXT, "class": "form-control mono", "spellcheck": "false"}),
        help_text="An https URL with a public address, or one that ALERT_WEBHOOK_ALLOW lists.",
    )
    jobs = forms.BooleanField(
        label="Jobs",
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
        help_text="Notify it when a job begins, halts, is stopped or is finished, besides the alerts of its rules.",
    )

    def __init__(self, *args: Any, webhook: Webhook | None = None, **kwargs: Any) -> None:
        self.webhook = webhook
        if webhook:
            kwargs.setdefault("initial", self.values_of(webhook))
        super().__init__(*args, **kwargs)
        if webhook:
            self.draw(webhook)

    def values_of(self, instance: Webhook) -> dict[str, Any]:
        return {"name": instance.name, "url": instance.url, "jobs": instance.jobs}

    def who_changed(self, instance: Webhook) -> str:
        return _who("webhook", instance.pk)

    def clean_name(self) -> str:
        return _name(Webhook, self.webhook, self.cleaned_data["name"])

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            sending.check(url)
        except Refused as refused:
            raise forms.ValidationError(str(refused)) from refused
        return url


SNOOZES = {"1h": ("1 hour", 1), "4h": ("4 hours", 4), "24h": ("1 day", 24), "7d": ("7 days", 168)}


class SnoozeForm(forms.Form):
    """How long no notification is sent; "" ends it."""

    length = forms.ChoiceField(
        choices=[("", "End the snooze"), *((key, label) for key, (label, _) in SNOOZES.items())],
        required=False,
    )

"""The forms of an agent's profile: to register one, and to edit it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from django import forms

from opsportal import patterns
from opsportal.console.text import exact, visible
from opsportal.dynamo.attributes import Typed, typed
from opsportal.dynamo.dialects import MAX_EXTRAS, Extra
from opsportal.dynamo.json_values import as_decimal, read_object, storable
from opsportal.operations.changes import Raw
from opsportal.operations.forms import ActionForm
from registry import profile
from registry.dialects import KNOWN, Dialect
from registry.models import Agent
from registry.profile import FIELDS, Field

RELOAD = "Reload the page and do it again: the form is incomplete."
# DynamoDB's limit of a partition key, in bytes.
MAX_KEY = 2048
MONO = {"class": "form-control mono", "autocomplete": "off", "spellcheck": "false"}

HELP = {
    "endpoint": "Its http or https URL.",
    "capabilities": "One per line. Discovery finds agents by them.",
    "tags": "One per line.",
    "type": "core or dynamic.",
    "pricing": "A JSON object.",
    "tiered_pricing": "A JSON object, by tier: basic, pro, premium.",
    "service_availability": "A JSON object, by tier: slots, slotsFilled, responseSLA (ms), uptime (%).",
}


def _widget(field: Field) -> forms.Widget:
    if field.kind == "text" and field.name != "description":
        return forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"})
    mono = "" if field.name == "description" else " mono"
    rows = {"texts": 3, "document": 4}.get(field.kind, 2)
    attrs = {"class": f"form-control{mono}", "rows": rows, "spellcheck": "false" if mono else "true"}
    return forms.Textarea(attrs=attrs)


class ProfileForm(ActionForm):
    """The fields of `profile.FIELDS`. Bounds hold for what a person changed: what another program wrote may
    be longer, and stays."""

    field_order = (*FIELDS, "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in FIELDS.items():
            self.fields[name] = forms.CharField(
                label=field.label,
                required=False,
                strip=False,
                widget=_widget(field),
                help_text=HELP.get(name, ""),
            )
        self.order_fields(self.field_order)

    def texts(self) -> dict[str, str]:
        """What was sent, field by field."""
        return {
            name: profile.settled(self.cleaned_data.get(name, ""), field) for name, field in FIELDS.items()
        }

    def check(self, texts: dict[str, str]) -> None:
        """Add an error to each field whose text is out of bounds."""
        for name, text in texts.items():
            if wrong := wrong_with(FIELDS[name], text):
                self.add_error(name, wrong)


def wrong_with(field: Field, text: str) -> str:
    """Why a text can't be a field's value, "" when it can."""
    if any(ord(character) < 32 and character not in "\n\t" for character in text):
        return "This has control characters."
    if field.kind == "texts":
        lines = profile.lines(text)
        if field.name == "capabilities" and not lines:
            return "Name at least one capability: discovery finds an agent by its capabilities."
        if len(lines) > profile.MAX_LINES:
            return f"These are {len(lines)} lines; at most {profile.MAX_LINES} are allowed."
        long = [line for line in lines if len(line) > field.most]
        return f"A line has {len(long[0])} characters; at most {field.most} are allowed." if long else ""
    if len(text) > field.most:
        return f"This has {len(text):,} characters; at most {field.most:,} are allowed."
    if field.name == "endpoint":
        return _wrong_address(text)
    if field.kind == "document" and text:
        try:
            read_object(text)
        except ValueError as error:
            return str(error)
    return ""


def _wrong_address(text: str) -> str:
    if not text:
        return "An agent needs an endpoint."
    if patterns.whole(patterns.OPEN_ADDRESS, text):
        return ""
    if patterns.whole(patterns.ADDRESS, text):
        return "Leave out user and password: everybody here can read the endpoint."
    return "This is not an http or https URL, such as https://agent.example.com/path."


class RegisterForm(ProfileForm):
    """A new agent, with a field for each attribute that the documents do not name and the `how` of the registry
    has. `dialect`: the one that the person was shown."""

    agent_id = forms.CharField(
        label="Id",
        widget=forms.TextInput(attrs=MONO),
        help_text="Its key in the registry. It can't be changed later.",
    )
    dialect = forms.CharField(widget=forms.HiddenInput, required=False)
    field_order = ("agent_id", *FIELDS)

    def __init__(self, *args: Any, how: Dialect, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["type"].initial = "dynamic"
        self.fields["dialect"].initial = how.fingerprint
        self.shown = str(self.data.get("dialect", ""))
        self.how, self.known = how, how.origin != "unread"
        if self.is_bound:
            # What is sent next is of this dialect.
            self.data = {**dict(self.data.items()), "dialect": how.fingerprint if self.known else self.shown}
        asked_for = {one.name: one for one in how.asked_for}
        # What was asked for when the form was opened, and was filled in, stays.
        for one in self._filled_in():
            asked_for.setdefault(one.name, one)
        self.extras = {f"extra-{one.kind}-{one.name}": one for one in asked_for.values()}
        reason = self.fields.pop("reason")
        self.fields |= {name: _extra_field(one) for name, one in self.extras.items()}
        self.fields["reason"] = reason

    def _filled_in(self) -> Iterator[Extra]:
        made = {one.name for one in self.how.made}
        names = [name for name, value in self.data.items() if value.strip()]
        found = [one for one in map(_EXTRA.fullmatch, names) if one]
        for one in found[:MAX_EXTRAS]:
            if one["name"] not in (*KNOWN, *made, Agent.binding().key, Agent.binding().ttl_attribute):
                yield Extra(one["name"], one["kind"])

    def others(self) -> dict[str, Typed]:
        """The attributes that the documents do not name, as they were filled in."""
        given = {one: self.cleaned_data.get(name, "") for name, one in self.extras.items()}
        return {one.name: _typed(one.kind, text) for one, text in given.items() if text.strip()}

    def clean_agent_id(self) -> str:
        given: str = self.cleaned_data["agent_id"]
        if len(given.encode()) > MAX_KEY:
            raise forms.ValidationError(
                f"This has {len(given.encode()):,} bytes; at most {MAX_KEY:,} are allowed."
            )
        if any(ord(character) < 32 for character in given):
            raise forms.ValidationError("This has control characters.")
        return given

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        texts = self.texts()
        if not texts["name"]:
            self.add_error("name", "An agent needs a name.")
        self.check(texts)
        data["texts"] = texts
        for name, extra in self.extras.items():
            try:
                if (given := data.get(name, "")).strip():
                    _typed(extra.kind, given)
                elif given and extra.required:
                    raise ValueError("This is needed: the setting AGENT_DIALECT requires it.")
            except ValueError as error:
                self.add_error(name, str(error))
        data["others"] = {} if self.errors else self.others()
        if self.known and self.shown not in ("", self.how.fingerprint):
            self.add_error(
                None,
                "The form of this registry's agents has changed since the page was opened. Check the fields again, then register.",
            )
        return data


_EXTRA = re.compile(r"extra-(?P<kind>S|N|BOOL)-(?P<name>[^\x00-\x1f]{1,255})")
MAX_EXTRA = 4000


def _extra_field(extra: Extra) -> forms.Field:
    hints = ["Required."] if extra.required else []
    if extra.example:
        hints.append(f"For example {exact(extra.example, 80)}")
    options: dict[str, Any] = {
        "label": exact(extra.name, 80),
        "required": extra.required,
        "help_text": " ".join(hints),
        "error_messages": {"required": "This is needed: the setting AGENT_DIALECT requires it."},
    }
    if extra.kind == "BOOL":
        choices = [(one, one) for one in ("", "true", "false")]
        select = forms.Select(attrs={"class": "form-select"})
        return forms.ChoiceField(choices=choices, widget=select, **options)
    return forms.CharField(max_length=MAX_EXTRA, strip=False, widget=forms.TextInput(attrs=MONO), **options)


def _typed(kind: str, text: str) -> Typed:
    """ValueError with a sentence for people."""
    if kind == "BOOL":
        return {"BOOL": text == "true"}
    if kind == "N":
        number = as_decimal(text.strip())
        if number is None:
            raise ValueError("A number is needed.")
        storable(number)
        return typed(number)
    if any(ord(character) < 32 for character in text):
        raise ValueError("This has control characters.")
    return {"S": text}


class EditForm(ProfileForm):
    """What an agent (`raw`, the item as it is) declares. `drawn` holds the digests of what the person was
    shown, so that only what they changed is written, whatever others write meanwhile."""

    drawn = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, raw: Raw | None = None, **kwargs: Any) -> None:
        super().__init__(*args, raw=raw, **kwargs)
        raw = raw or {}
        self.fields["drawn"].initial = json.dumps(profile.drawn(raw))
        for name, field in FIELDS.items():
            self.fields[name].initial = profile.settled(profile.shown(raw, field), field)
            if note := profile.note(raw, field):
                self.fields[name].help_text = f"{HELP.get(name, '')} {visible(note)}".strip()

    def clean_drawn(self) -> dict[str, str]:
        try:
            drawn = json.loads(self.cleaned_data["drawn"])
        except (ValueError, RecursionError):
            drawn = None
        if not isinstance(drawn, dict) or set(drawn) != set(FIELDS):
            raise forms.ValidationError(RELOAD)
        return {name: str(value) for name, value in drawn.items()}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        drawn = data.get("drawn")
        if not drawn:
            return data
        changed = {
            name: text
            for name, text in self.texts().items()
            if profile.digest(text, FIELDS[name]) != drawn[name]
        }
        if not changed:
            self.add_error(None, "Nothing was changed.")
        self.check(changed)
        data["texts"] = changed
        return data

    def data_of_intent(self) -> dict[str, Any]:
        return super().data_of_intent() | {name: self.cleaned_data[name] for name in ("texts", "drawn")}

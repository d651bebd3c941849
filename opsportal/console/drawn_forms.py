"""Forms that save a whole, and know the values that they were drawn with: one that is sent after somebody else's change,
from another tab or by another person, is refused with what changed, and what was typed is kept.
"""

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Model

from opsportal.console.text import exact

# Characters of a value in the sentence.
MAX_SHOWN = 80


class DrawnForm(forms.Form):
    """`version` holds the values that the form was drawn with. A form that is sent without it (a program's, or one with
    a single value) is taken as it is."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def values_of(self, instance: Any) -> dict[str, Any]:
        """The values of the stored row, by the name of their field."""
        raise NotImplementedError

    def who_changed(self, instance: Any) -> str:
        """Who changed the row last; "" where that is not known."""
        return ""

    def draw(self, instance: Any) -> None:
        """Give the form the version of this row."""
        self.fields["version"].initial = self.initial["version"] = self._version(instance)

    def is_current(self, instance: Any) -> bool:
        """Whether the row, locked, still has the values that the form was drawn with. Where not, the form has an error
        that says so, and the version of the row as it is now: to be sent again is to overwrite it knowingly."""
        now = self._texts(instance)
        drawn = _read(self.data.get(self.add_prefix("version"), ""))
        if drawn is None:
            return True
        changed = [name for name in now if name in drawn and drawn[name] != now[name]]
        if not changed:
            return True
        parts = [
            f"{self.fields[name].label or name.replace('_', ' ')} is now {_quoted(now[name])}, was {_quoted(drawn[name])}"
            if name in self.fields
            else name
            for name in changed
        ]
        self.add_error(
            None,
            f"Not saved: {self.who_changed(instance) or 'somebody'} changed this after you opened the form. "
            f"{'; '.join(parts)}. What you typed is kept below: check it, and save again to overwrite.",
        )
        data: Any = self.data.copy()  # type: ignore[attr-defined]
        data[self.add_prefix("version")] = self._version(instance)
        self.data = data
        return False

    def _version(self, instance: Any) -> str:
        return json.dumps(self._texts(instance), sort_keys=True)

    def _texts(self, instance: Any) -> dict[str, str]:
        return {name: _text(value) for name, value in self.values_of(instance).items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | Model):
        return str(value)
    if isinstance(value, Iterable):
        return ", ".join(sorted(map(str, value)))
    return str(value)


def _quoted(text: str) -> str:
    return f"“{exact(text, MAX_SHOWN)}”" if text else "empty"


def _read(version: Any) -> dict[str, str] | None:
    try:
        found = json.loads(version)
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

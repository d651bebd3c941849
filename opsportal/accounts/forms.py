"""Forms of preferences and saved views."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from opsportal.accounts.models import Preferences, SavedView, normalised_query, time_zones


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    """All three settings; those that the request does not name keep their value, so that the quick
    controls of every page can send one alone."""

    class Meta:
        model = Preferences
        fields = ["theme", "time_zone", "refresh_seconds"]
        help_texts = {
            "time_zone": "Times are shown in UTC and in this zone.",
            "refresh_seconds": "How often lists and items refresh.",
        }

    def __init__(self, data: Any = None, *, instance: Preferences) -> None:
        if data is not None:
            kept = {name: str(getattr(instance, name)) for name in self._meta.fields or ()}
            data = kept | {name: data[name] for name in kept if name in data}
        super().__init__(data, instance=instance)
        self.fields["time_zone"].widget = forms.Select(choices=[(name, name) for name in time_zones()])
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-select"


class SavedViewForm(forms.ModelForm):  # type: ignore[type-arg]
    """A name for a page's filters. Saving under a name that one has already replaces that view."""

    class Meta:
        model = SavedView
        fields = ["page", "name", "query", "shared"]

    def __init__(self, data: Any, *, owner: User) -> None:
        page, name = data.get("page", ""), data.get("name", "").strip()
        found = SavedView.objects.filter(owner_id=owner.pk, page=page, name=name).first()
        super().__init__(data, instance=found or SavedView(owner_id=owner.pk))

    def clean_query(self) -> str:
        return normalised_query(self.cleaned_data["query"])

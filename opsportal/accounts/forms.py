"""Forms of preferences, one's password, saved views and API tokens."""

from copy import copy
from typing import Any

from allauth.account.forms import ChangePasswordForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator
from django.db import IntegrityError, transaction

from opsportal.accounts import sign_in, tokens
from opsportal.accounts.models import Preferences, SavedView, normalised_query, preferences_of, time_zones
from opsportal.accounts.scopes import all_scopes
from opsportal.accounts.throttle import give_back, take
from opsportal.accounts.tokens import SERVICE_ROLES, ApiToken
from opsportal.console.drawn_forms import DrawnForm
from opsportal.console.timerange import in_utc


class PreferencesForm(DrawnForm, forms.ModelForm):  # type: ignore[type-arg]
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
            data = kept | {name: data[name] for name in (*kept, "version") if name in data}
        super().__init__(data, instance=instance)
        self.draw(instance)
        self.fields["time_zone"].widget = forms.Select(choices=[(name, name) for name in time_zones()])
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-select"

    def who_changed(self, instance: Preferences) -> str:
        return "you"

    def values_of(self, instance: Preferences) -> dict[str, Any]:
        return {name: getattr(instance, name) for name in self._meta.fields or ()}


class PasswordForm(ChangePasswordForm):  # type: ignore[misc]
    """allauth's. Whoever has somebody's session can try no more passwords here than at the login."""

    def clean_oldpassword(self) -> str:
        taken = sign_in.limits(context.request, "password", {sign_in.account(self.user)})
        if exceeded := take(taken):
            context.request.throttled_for = exceeded.wait
            raise forms.ValidationError(sign_in.sentence(exceeded), code="too_many_login_attempts")
        found = str(super().clean_oldpassword())
        give_back(taken)
        return found


class SavedViewForm(forms.ModelForm):  # type: ignore[type-arg]
    """A name for a page's filters. Where there is a view of that name, one's own or one that another person shares, it
    `asks` first; so it does again where that view changed since."""

    class Meta:
        model = SavedView
        fields = ["page", "name", "query", "shared"]

    def __init__(self, data: Any, *, owner: User) -> None:
        page, name = data.get("page", ""), data.get("name", "").strip()
        # Which PostgreSQL refuses to look for, and the fields refuse too.
        odd = "\x00" in page + name
        alike = SavedView.objects.select_for_update(of=("self",)).filter(page=page, name=name)
        seen = [] if odd else list(alike.visible_to(owner.pk))
        found = min(seen, key=lambda view: (view.owner_id != owner.pk, view.pk), default=None)
        self.before = copy(found)
        super().__init__(data, instance=found or SavedView(owner_id=owner.pk))
        self.owner = owner

    @property
    def drawn(self) -> str:
        """Names the view that would be replaced as it is now; "" where there is none."""
        return f"{self.before.pk} {self.before.updated_at.isoformat()}" if self.before else ""

    @property
    def asks(self) -> bool:
        """Whether the person has not said yet that they replace that view, as it is now."""
        return self.data.get("replace", "") != self.drawn if self.before else False

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.before is None or self.before.owner_id == self.owner.pk:
            return data
        # It stays that person's, and shared.
        data["shared"] = True
        if not self.owner.has_perm("accounts.change_savedview"):
            self.add_error("name", f"{self.before.owner} shares a view of this name. Choose another name.")
        return data

    def clean_query(self) -> str:
        return in_utc(normalised_query(self.cleaned_data["query"]), preferences_of(self.owner).zone)


MINE, SERVICE = "mine", "service"


class TokenForm(forms.Form):
    """`maker`: who makes it, for themselves, or (administrators) for a service. Offered are the scopes of
    which the maker has at least one permission."""

    name = forms.CharField(
        max_length=40,
        validators=ApiToken._meta.get_field("name").validators,
        widget=forms.TextInput(
            attrs={"class": "form-control mono", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="Recorded in the audit trail with every action of the token.",
    )
    whose = forms.ChoiceField(
        label="Owner",
        choices=[
            (MINE, "Me: it has my permissions, limited by its scopes"),
            (SERVICE, "A service: it has its own role"),
        ],
        initial=MINE,
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    role = forms.ChoiceField(
        label="Role of the service",
        choices=[(role, role.title()) for role in SERVICE_ROLES],
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text="For a service only.",
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages={"required": "Choose at least one: a token without a scope may do nothing."},
    )
    days = forms.IntegerField(
        label="Days until it expires",
        min_value=1,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )

    def __init__(self, *args: Any, maker: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maker = maker
        self.may_manage = maker.has_perm("accounts.manage_tokens")
        scopes: Any = self.fields["scopes"]
        scopes.choices = [
            (scope.name, f"{scope.name}: {scope.label[0].lower()}{scope.label[1:]}")
            for scope in all_scopes().values()
            if any(maker.has_perm(permission) for permission in scope.permissions)
        ]
        days: Any = self.fields["days"]
        days.max_value = settings.API_TOKEN_MAX_DAYS
        days.validators.append(MaxValueValidator(days.max_value))
        days.widget.attrs |= {"max": days.max_value}
        days.initial = min(settings.API_TOKEN_DAYS, days.max_value)
        days.help_text = f"At most {days.max_value}."
        if not self.may_manage:
            del self.fields["whose"], self.fields["role"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("whose") == SERVICE and not data.get("role"):
            self.add_error("role", "A service needs a role.")
        return data

    def save(self) -> tuple[ApiToken, str] | None:
        """The token and its text; None, with the error at the name, where one of that name lives."""
        data = self.cleaned_data
        service = data.get("whose") == SERVICE
        try:
            with transaction.atomic():
                return tokens.make(
                    data["name"],
                    data["scopes"],
                    made_by=self.maker,
                    days=data["days"],
                    owner=None if service else self.maker,
                    role=data["role"] if service else "",
                )
        except IntegrityError:
            self.add_error(
                "name", "There is a live token of this name. Revoke it first, or choose another name."
            )
            return None

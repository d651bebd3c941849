"""The form of a new API token."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator
from django.db import IntegrityError, transaction

from opsportal.accounts import tokens
from opsportal.accounts.scopes import all_scopes
from opsportal.accounts.tokens import SERVICE_ROLES, ApiToken

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
            (MINE, "Me: it may do what I may, as far as its scopes go"),
            (SERVICE, "A service: it has a role of its own"),
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
            (scope.name, f"{scope.name}: {scope.label.lower()}")
            for scope in all_scopes().values()
            if any(maker.has_perm(permission) for permission in scope.permissions)
        ]
        days: Any = self.fields["days"]
        days.max_value = settings.API_TOKEN_MOST_DAYS
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

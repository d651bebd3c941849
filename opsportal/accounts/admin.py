"""/admin/: accounts and their roles. None of the data, and no way for an administrator to become more.

Administrators are not superusers: they can neither make nor touch one, nor hand out single permissions.

Lists answer about what they show and about nothing else: Django takes any column of a list's table as a filter from
the address, shown or not, and who counts the rows of `?data__secret__startswith=J` reads a secret, letter by letter.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.urls import URLPattern, URLResolver

from opsportal.accounts.one_entry import one_entry
from opsportal.accounts.roles import ROLES, permissions_of, role_of, set_role
from opsportal.console.access import local_path
from opsportal.console.drawn_forms import DrawnForm


class ShownOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """What every list of the site is. Its lookups (400 for others) and its search go by its columns, its filters and
    its date hierarchy alone, for superusers too."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        if lookup.rpartition(LOOKUP_SEP)[2] in ("regex", "iregex"):  # one that runs for hours is soon written
            return False
        if any("\x00" in str(one) for one in (value if isinstance(value, list) else [value])):
            return False  # PostgreSQL refuses to look for it
        return request is not None and path_of(self.model, lookup) in set(self._shown(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        shown = set(self._shown(request))
        return [
            one
            for one in super().get_search_fields(request)
            if path_of(self.model, one.lstrip("^=@")) in shown
        ]

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """An object is found by its number alone. (Django's own also raises on a reverse relation's name.)"""
        return self.opts.pk is not None and to_field == self.opts.pk.name

    def _shown(self, request: HttpRequest) -> Iterator[str]:
        """Paths of fields. A column that a method makes shows the field that it is ordered by."""
        for column in self.get_list_display(request):
            method = column if callable(column) else getattr(self, column, None)
            yield str(getattr(method, "admin_order_field", column)).removeprefix("-")
        for one in self.get_list_filter(request):
            yield str(one[0] if isinstance(one, (tuple, list)) else one)
        if self.date_hierarchy:
            yield self.date_hierarchy


def path_of(model: type[Model] | None, lookup: str) -> str:
    """The fields that a lookup goes by: "user__username" of "user__username__startswith". The key of a relation is
    the relation: "groups" of "groups__id__exact". "" where it begins with no field, such as "pk"."""
    names: list[str] = []
    relation: Any = None
    for part in lookup.split(LOOKUP_SEP):
        if model is None:
            break
        try:
            field: Any = model._meta.get_field(part)
        except FieldDoesNotExist:
            break  # a transform or a lookup: of what is shown, it may be any
        if relation is not None and field is relation.target_field and not field.is_relation:
            break
        names.append(field.name)
        if not field.is_relation:
            break
        model, relation = field.related_model, field
    return LOOKUP_SEP.join(names)


class AccountsSite(admin.AdminSite):
    """A site of its own, so that nothing registers itself: allauth's models would show secrets here."""

    site_header = site_title = "Ops Portal accounts"
    index_title = "Accounts and roles"
    site_url = "/"

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: "type[admin.ModelAdmin[Any]] | None" = None,
        **options: Any,
    ) -> None:
        if admin_class is None or not issubclass(admin_class, ShownOnly):
            raise ImproperlyConfigured(f"{admin_class} of {model_or_iterable} must be a ShownOnly.")
        super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without two addresses that no page here uses, and that take any object of any model: its address, in which
        a private saved view has its filters, and a search."""
        unused = ("view_on_site", "autocomplete")
        return [url for url in super().get_urls() if getattr(url, "name", "") not in unused]

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and request.user.has_perm("auth.view_user")

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Everyone's login, with its rate limits and second factor."""
        back = local_path(request.GET.get("next"), resolve_url("admin:index"))
        return redirect(f"{resolve_url('account_login')}?next={quote(back)}")

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        return redirect("account_change_password")


site = AccountsSite(name="admin")


def role_choices() -> list[tuple[str, str]]:
    return [(role, role.title()) for role in ROLES]


class RoleMixin(forms.ModelForm):  # type: ignore[type-arg]
    """The role: the one of the three groups that the account is in."""

    role = forms.ChoiceField(
        choices=role_choices,
        help_text="Viewers read. Operators also act on the data. Administrators also manage accounts.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("role")
        if not (self.instance.pk and isinstance(field, forms.ChoiceField)):
            return
        field.initial = role_of(self.instance)
        if self.instance.is_superuser:  # may do everything, with or without a role
            field.required = False
            field.choices = [("", "None"), *role_choices()]


# What one save of an account's page writes, and another may have written since it was drawn.
WATCHED = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")


class NewAccountForm(RoleMixin, AdminUserCreationForm):  # type: ignore[type-arg]
    class Meta(AdminUserCreationForm.Meta):
        fields = ("username", "email")


class AccountForm(DrawnForm, RoleMixin, UserChangeForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draw(self.instance)

    def values_of(self, instance: User) -> dict[str, Any]:
        names = [name for name in self.fields if name in WATCHED]
        return {**{name: getattr(instance, name) for name in names}, "role": role_of(instance)}

    def who_changed(self, instance: User) -> str:
        kind = ContentType.objects.get_for_model(User)
        last = LogEntry.objects.filter(content_type=kind, object_id=str(instance.pk)).first()
        return str(last.user.get_username()) if last else ""

    def clean(self) -> dict[str, Any]:
        """The site's views are transactions, in which the row is locked from here on."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        self.is_current(User.objects.select_for_update().get(pk=self.instance.pk))
        return data


@admin.register(User, site=site)
class AccountAdmin(ShownOnly, UserAdmin):  # type: ignore[type-arg]
    form = AccountForm
    add_form = NewAccountForm
    list_display = ("username", "email", "role", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "email")
    list_select_related = True
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets = (
        (None, {"fields": ("username", "email", "role", "usable_password", "password1", "password2")}),
    )
    person = (
        (None, {"fields": ("username", "password", "version")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "role")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    of_superusers = ("Superusers only", {"fields": ("is_superuser", "user_permissions")})

    @admin.display(description="role")
    def role(self, user: User) -> str:
        return role_of(user) or "none"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        return (*self.person, self.of_superusers) if request.user.is_superuser else self.person

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        readonly = super().get_readonly_fields(request, obj)
        if obj is not None and obj.pk == request.user.pk and not request.user.is_superuser:
            # Nobody locks themselves out; so there is always an administrator left.
            return (*readonly, "is_active", "is_staff", "role")
        return readonly

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        itself = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and _may_touch(request, obj) and not itself

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with one_entry() if request.method == "POST" else nullcontext():
            return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            obj.is_staff = True  # the console has no other accounts
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if role := form.cleaned_data.get("role"):
            set_role(form.instance, role)


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    return account is None or not account.is_superuser or request.user.is_superuser


@admin.register(Group, site=site)
class RoleAdmin(ShownOnly, GroupAdmin):
    """For looking: what each role may do is declared in code and reset by every `migrate`."""

    list_display = ("name", "permission_count")
    fields = ("name", "may")
    readonly_fields = ("may",)

    @admin.display(description="may")
    def may(self, group: Group) -> str:
        held = group.permissions.select_related("content_type").order_by(
            "content_type__app_label", "codename"
        )
        return "\n".join(f"{p.content_type.app_label}.{p.codename}: {p.name}" for p in held) or "nothing"

    @admin.display(description="permissions")
    def permission_count(self, group: Group) -> int:
        return len(permissions_of(group.name)) if group.name in ROLES else group.permissions.count()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False


@admin.register(Authenticator, site=site)
class SecondFactorAdmin(ShownOnly):
    """Who has a second factor; deleting it lets someone who lost theirs sign in. Its secret is not shown."""

    list_display = ("person", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = readonly_fields = ("user", "type", "created_at", "last_used_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Authenticator]:
        """Without the secret, which no page here shows: a row whose JSON Python can't read can be removed too."""
        return super().get_queryset(request).defer("data")

    @admin.display(description="user", ordering="user__username")
    def person(self, factor: Authenticator) -> str:
        return str(factor.user.get_username())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and _may_touch(request, obj.user if obj else None)

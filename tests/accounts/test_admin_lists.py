"""The admin's lists answer about what they show: no filter, search or order by anything else."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.models import Field, JSONField, Model
from django.test import Client
from django.test.utils import isolate_apps

from opsportal.accounts.admin import AccountsSite, ShownOnly, path_of, site
from opsportal.accounts.models import SavedView
from tests.conftest import PASSWORD

FACTORS = "/admin/mfa/authenticator/"
# What each list shows, and so may be filtered by: adding to it is a decision.
SHOWN = {
    User: {"username", "email", "is_active", "last_login", "groups"},
    Group: {"name"},
    Authenticator: {"type", "created_at", "last_used_at", "user__username"},
}
LOOKUPS = (
    "",
    "exact",
    "iexact",
    "startswith",
    "regex",
    "contains",
    "in",
    "gt",
    "isnull",
    "range",
    "pk",
    "id",
)


def paths(model: type[Model], depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Every field and relation of `model`, forwards and backwards, through so many relations: path, field."""
    for field in model._meta.get_fields():
        yield field.name, field
        if field.related_model and depth > 1:
            assert not isinstance(field.related_model, str)
            yield from (
                (f"{field.name}__{path}", inner) for path, inner in paths(field.related_model, depth - 1)
            )
        if isinstance(field, JSONField):
            yield f"{field.name}__secret", field
            yield f"{field.name}__0__seed", field
        if isinstance(field, Field) and field.attname != field.name:
            yield field.attname, field


def is_shown(model: type[Model], lookup: str) -> bool:
    """Whether the field that the lookup is about is shown, or is the number of a relation that is; and the lookup
    is no regular expression."""
    if lookup.endswith("__regex"):
        return False
    if any(lookup == path or lookup.startswith(f"{path}__") for path in SHOWN[model]):
        rest = lookup.removeprefix("groups__") if lookup.startswith("groups__") else ""
        return not rest or rest.split("__")[0] in ("id", "pk") or not _is_field(Group, rest.split("__")[0])
    return False


def _is_field(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(
        User.objects.create_superuser("root", password=PASSWORD), "django.contrib.auth.backends.ModelBackend"
    )
    return client


@pytest.fixture
def factor(viewer: User) -> Authenticator:
    return Authenticator.objects.create(user=viewer, type="totp", data={"secret": "JBSWY3DPEHPK3PXPCANARY"})


def test_every_list_of_the_site_shows_what_is_said_here(rf: Any, administrator: User) -> None:
    request = rf.get("/")
    request.user = administrator
    assert set(site._registry) == set(SHOWN)
    for model, registered in site._registry.items():
        assert isinstance(registered, ShownOnly)
        fields = {path for path in registered._shown(request) if path_of(model, path)}
        assert fields == SHOWN[model], model
        # What is searched by is what is declared, so that nothing is left out unnoticed.
        assert list(registered.get_search_fields(request)) == list(registered.search_fields)
        assert {path_of(model, one) for one in registered.search_fields} <= SHOWN[model]
        assert {path_of(model, one) for one in registered.get_ordering(request)} <= SHOWN[model]
        assert not registered.autocomplete_fields
        assert not registered.raw_id_fields


def test_a_list_of_another_kind_is_not_registered() -> None:
    other = AccountsSite(name="other")
    for admin_class in (None, admin.ModelAdmin):
        with pytest.raises(ImproperlyConfigured, match="must be a ShownOnly"):
            other.register(SavedView, admin_class)


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_no_lookup_is_taken_but_of_what_is_shown(model: type[Model], rf: Any, root: Client) -> None:
    request = rf.get("/")
    request.user = User.objects.get(username="root")
    registered: Any = site._registry[model]
    taken, tried = set(), 0
    for path, _ in paths(model):
        for lookup in LOOKUPS:
            name = f"{path}__{lookup}" if lookup else path
            tried += 1
            allowed = registered.lookup_allowed(name, "1", request)
            assert allowed == is_shown(model, name), name
            taken |= {path} if allowed else set()
    assert tried > 300
    assert SHOWN[model] <= taken


@pytest.mark.parametrize("lookup", ["regex", "iregex"])
@pytest.mark.parametrize("url", ["/admin/auth/user/?username__", f"{FACTORS}?user__username__"])
def test_no_regular_expression_is_run(client_for: Any, factor: Authenticator, url: str, lookup: str) -> None:
    """On SQLite Python runs it: over a name of 40 letters this one takes hours."""
    User.objects.filter(pk=factor.user_id).update(username="a" * 40)
    assert client_for("administrator").get(f"{url}{lookup}=^(a%2B)%2B%24x").status_code == 400


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_a_lookup_of_what_is_not_shown_is_answered_400_to_superusers_too(
    model: type[Model], root: Client
) -> None:
    url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    refused = [path for path, _ in paths(model) if not is_shown(model, path)]
    assert len(refused) > 20
    statuses = {path: root.get(url, {f"{path}__startswith": "J"}).status_code for path in refused}
    assert {path for path, status in statuses.items() if status != 400} == set()


@pytest.mark.parametrize(
    "lookup",
    ["data__secret__startswith=J", "data__secret__regex=^J", "data__seed__isnull=True", "data__icontains=J",
     "data__has_key=secret", "data=1", "pk__in=1", "id=1", "user__password__startswith=p", "user__is_superuser=1",
     "user__api_tokens__digest__startswith=0", "user__emailaddress__email__startswith=v", "user_id=1",
     "user__authenticator__data__secret__startswith=J", "user__user__password=1", "no_such_field=1"],
)  # fmt: skip
def test_a_secret_cannot_be_asked_for(
    client_for: Any, root: Client, factor: Authenticator, lookup: str
) -> None:
    for client in (client_for("administrator"), root):
        assert client.get(f"{FACTORS}?{lookup}").status_code == 400
        # Nor by what a filter that is shown leaves, nor by an action on what is found.
        assert client.get(f"{FACTORS}?type__exact=totp&{lookup}&_facets=True&q=v&o=1").status_code == 400
        action = {
            "action": "delete_selected",
            "_selected_action": [factor.pk],
            "select_across": "1",
            "post": "yes",
        }
        assert client.post(f"{FACTORS}?{lookup}", action).status_code == 400
    assert Authenticator.objects.exists()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (f"{FACTORS}?type__exact=totp", 1),
        (f"{FACTORS}?type__exact=recovery_codes", 0),
        (f"{FACTORS}?user__username__startswith=v", 1),
        (f"{FACTORS}?q=view", 1),
        (f"{FACTORS}?q=JBSWY", 0),
        ("/admin/auth/user/?is_active__exact=1&username=viewer", 1),
        ("/admin/auth/user/?q=Hidden", 0),
        ("/admin/auth/group/?name=viewer", 1),
    ],
)
def test_what_a_list_shows_filters_it(client_for: Any, factor: Authenticator, url: str, found: int) -> None:
    User.objects.filter(username="viewer").update(first_name="Hidden", last_name="Hidden")
    page = client_for("administrator").get(url)
    assert page.status_code == 200
    assert page.context["cl"].result_count == found


def test_the_filters_that_are_offered_work(client_for: Any, viewer: User, factor: Authenticator) -> None:
    client = client_for("administrator")
    for url in ("/admin/auth/user/", "/admin/auth/group/", FACTORS):
        changes = client.get(url, {"_facets": "True"}).context["cl"]
        queries = [
            choice["query_string"] for spec in changes.filter_specs for choice in spec.choices(changes)
        ]
        for query in [*queries, *(f"?o={number}.-{number}" for number in range(7)), "?all=", "?p=2", "?e=1"]:
            assert client.get(url + query).status_code in (200, 302), query


@pytest.mark.parametrize("order", range(-8, 9))
def test_a_list_is_ordered_by_its_columns_alone(client_for: Any, factor: Authenticator, order: int) -> None:
    client = client_for("administrator")
    for model in SHOWN:
        url = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        ordered = client.get(url, {"o": str(order)}).context["cl"].queryset.query.order_by
        names = {str(one).lstrip("-") for one in ordered}
        assert {path_of(model, name) for name in names - {"pk"}} <= SHOWN[model], names


@pytest.mark.parametrize("field", ["password", "username", "data", "email", "name", "user"])
def test_an_object_is_found_by_its_number_alone(client_for: Any, factor: Authenticator, field: str) -> None:
    client = client_for("administrator")
    for path in ("auth/user/", "auth/group/", "mfa/authenticator/"):
        assert client.get(f"/admin/{path}", {"_to_field": field}).status_code == 400
        assert client.get(f"/admin/{path}{factor.user_id}/change/", {"_to_field": field}).status_code == 400
    for value in ("viewer", factor.data["secret"], factor.user.password):
        assert client.get(f"/admin/auth/user/{value}/change/").status_code in (302, 404)


def test_no_address_leads_to_any_object_of_any_model(client_for: Any, viewer: User) -> None:
    from django.contrib.contenttypes.models import ContentType

    view = SavedView.objects.create(owner=viewer, page="requests", name="mine", query="status=failed")
    kind = ContentType.objects.get_for_model(SavedView).pk
    client = client_for("administrator")
    response = client.get(f"/admin/r/{kind}/{view.pk}/")
    assert response.status_code == 404
    query = {"app_label": "mfa", "model_name": "authenticator", "field_name": "user", "term": "v"}
    assert client.get("/admin/autocomplete/", query).status_code == 404


def test_history_and_deletion_show_no_secret(client_for: Any, factor: Authenticator) -> None:
    client = client_for("administrator")
    for path in ("history", "delete", "change"):
        page = client.get(f"{FACTORS}{factor.pk}/{path}/?data__secret__startswith=J")
        assert page.status_code == 200
        assert "JBSWY" not in page.content.decode()


@pytest.mark.parametrize(
    ("lookup", "path"),
    [
        ("username__startswith", "username"), ("groups__id__exact", "groups"), ("groups__name", "groups__name"),
        ("groups__user__password", "groups__user__password"), ("user_permissions__id__in", "user_permissions"),
        ("last_login__year__gt", "last_login"), ("pk__in", ""), ("no_such__field", ""),
        ("preferences__user__password", "preferences__user__password"),
    ],
)  # fmt: skip
def test_the_path_of_a_lookup(lookup: str, path: str) -> None:
    assert path_of(User, lookup) == path


@isolate_apps("opsportal.accounts")
def test_a_relation_whose_key_is_a_relation_itself_leads_no_further() -> None:
    class Profile(models.Model):  # noqa: DJ008
        user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")

        class Meta:
            app_label = "accounts"

    class Badge(models.Model):  # noqa: DJ008
        profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "accounts"

    assert path_of(Badge, "profile__user__password__startswith") == "profile__user__password"
    assert path_of(Badge, "profile__pk__in") == "profile"

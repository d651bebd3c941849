"""What the console keeps about its own users. No data of the tables is in here."""

from functools import cache
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import TooManyFieldsSent, ValidationError
from django.db import models
from django.db.models import Q
from django.http import QueryDict
from django.urls import reverse

from opsportal.accounts.changes import Change
from opsportal.accounts.throttle import Attempts
from opsportal.accounts.tokens import ApiToken
from opsportal.descriptors import descriptors

__all__ = ["ApiToken", "Attempts", "Change", "Preferences", "SavedView"]

MAX_QUERY = 2000


def saved_pages() -> dict[str, str]:
    """Where a saved view of a page opens: the names of the addresses, by the page's key."""
    return {key: name for descriptor in descriptors() for key, name in descriptor.saved_views.items()}


def page_choices() -> list[tuple[str, str]]:
    return [(page, page.title()) for page in saved_pages()]


@cache
def time_zones() -> tuple[str, ...]:
    """The IANA names that this machine knows, sorted, UTC first."""
    return ("UTC", *sorted(available_timezones() - {"UTC"}))


def validate_time_zone(name: str) -> None:
    if name not in time_zones():
        raise ValidationError("%(name)s is not a time zone of the IANA database.", params={"name": name})


class Preferences(models.Model):
    """How one person wants the console. Nobody needs a row: see `preferences_of`."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Refresh(models.IntegerChoices):
        OFF = 0, "Off"
        TWO = 2, "Every 2 s"
        FIVE = 5, "Every 5 s"
        THIRTY = 30, "Every 30 s"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    theme = models.CharField(max_length=6, choices=Theme.choices, default=Theme.SYSTEM)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    refresh_seconds = models.PositiveSmallIntegerField(
        "live refresh", choices=Refresh.choices, default=Refresh.THIRTY
    )

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user}"

    @property
    def zone(self) -> ZoneInfo:
        """UTC when the system no longer knows the zone."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user_id: int | None) -> "SavedViewQuerySet":
        """One's own and the shared ones."""
        return self.filter(Q(owner_id=user_id) | Q(shared=True)).select_related("owner")


class ViewLink(NamedTuple):
    """A saved view as the lists offer it. Each person's are kept, and the objects of the model are five times as large."""

    pk: int
    name: str
    url: str
    shared: bool
    owner_id: int
    owner: str


class SavedView(models.Model):
    """A list's filters under a name: the query string of the page, without the position in it."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    page = models.SlugField(max_length=20, choices=page_choices)
    name = models.CharField(max_length=80)
    query = models.CharField(max_length=MAX_QUERY, blank=True)
    shared = models.BooleanField("visible to everyone", default=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["page", "name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "page", "name"], name="one_view_per_owner_page_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.page})"

    def get_absolute_url(self) -> str:
        url = reverse(saved_pages()[self.page])
        return f"{url}?{self.query}" if self.query else url


def view_links(user_id: int) -> dict[str, list[ViewLink]]:
    """By page, what that person can open, in one query."""
    links: dict[str, list[ViewLink]] = {}
    for view in SavedView.objects.visible_to(user_id).filter(page__in=saved_pages()):
        link = ViewLink(
            view.pk, view.name, view.get_absolute_url(), view.shared, view.owner_id, view.owner.get_username()
        )
        links.setdefault(view.page, []).append(link)
    return links


def normalised_query(text: str) -> str:
    """`text` as a query string that is safe to keep: no position in the list, no empty values, UTF-8.

    Raises ValidationError where it is longer than `MAX_QUERY`.
    """
    if len(text) > MAX_QUERY:
        raise ValidationError("These filters are too long to be saved.")
    try:
        given = QueryDict(text.lstrip("?"))
    except TooManyFieldsSent as error:
        raise ValidationError("These filters are too long to be saved.") from error
    pairs = [(name, value) for name, values in given.lists() if name != "cursor" for value in values if value]
    query = urlencode(pairs)
    if len(query) > MAX_QUERY:
        raise ValidationError("These filters are too long to be saved.")
    return query


def preferences_of(user: User | AnonymousUser | None) -> Preferences:
    """The saved preferences of `user`, or the defaults (unsaved). Anonymous and None: the defaults."""
    if user is None or not user.is_authenticated:
        return Preferences()
    try:
        found: Preferences = user.preferences
    except Preferences.DoesNotExist:
        # Assigning the user caches this object on it: a second call asks the database no more.
        found = Preferences(user=user)
    return found

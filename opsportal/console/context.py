"""What the shell around every page needs, each read once and only when a template asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property

from opsportal.accounts.roles import role_of
from opsportal.descriptors import Page, descriptors
from opsportal.environments import colour_of

REFRESH_CHOICES = ((0, "Off"), (2, "2 s"), (5, "5 s"), (30, "30 s"))
THEMES = (("system", "System", "device-desktop"), ("light", "Light", "sun"), ("dark", "Dark", "moon"))
DEFAULT_REFRESH_SECONDS = 30
OVERVIEW = Page("Overview", "layout-dashboard", "overview")


@dataclass(frozen=True)
class Link:
    label: str
    icon: str
    url: str
    current: bool


def pages() -> list[Page]:
    """The navigation."""
    return [OVERVIEW, *(descriptor.page for descriptor in descriptors() if descriptor.page)]


def version() -> str:
    """Of the scripts and styles that pages ask for now; "" where they are not collected."""
    return str(getattr(staticfiles_storage, "manifest_hash", ""))


class Shell:
    """The state of the shell for one request. Anonymous requests cost no query."""

    refresh_choices = REFRESH_CHOICES
    themes = THEMES

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def env(self) -> str:
        return str(settings.OPSPORTAL_ENV)

    @property
    def env_colour(self) -> str:
        """Of the stripe and the badge: grey, amber or red."""
        return settings.ENVIRONMENT_COLOUR or colour_of(settings.OPSPORTAL_ENV)

    @property
    def volatile(self) -> bool:
        """Whether the data ends with the engine's process."""
        return bool(settings.ENGINE_IS_VOLATILE)

    @property
    def version(self) -> str:
        return version()

    @cached_property
    def user(self) -> Any:
        """The signed-in user, or None."""
        user = getattr(self._request, "user", None)
        return user if user is not None and user.is_authenticated else None

    @cached_property
    def preferences(self) -> Any:
        """The user's `Preferences`, or None for anonymous requests."""
        if self.user is None:
            return None
        from opsportal.accounts.models import preferences_of

        return preferences_of(self.user)

    @property
    def theme(self) -> str:
        return self.preferences.theme if self.preferences else "system"

    @property
    def refresh_seconds(self) -> int:
        """Seconds between two polls; 0 = off."""
        return self.preferences.refresh_seconds if self.preferences else DEFAULT_REFRESH_SECONDS

    @cached_property
    def zone(self) -> ZoneInfo:
        """The user's time zone."""
        return self.preferences.zone if self.preferences else ZoneInfo("UTC")

    @cached_property
    def role(self) -> str:
        """The strongest role of the user, or `superuser`, or empty."""
        return "" if self.user is None else role_of(self.user) or "no role"

    @cached_property
    def nav(self) -> list[Link]:
        """The pages that exist and that the user may open."""
        path = self._request.path
        links = []
        for page in pages():
            if page.permission and not (self.user and self.user.has_perm(page.permission)):
                continue
            try:
                url = reverse(page.url_name)
            except NoReverseMatch:
                continue
            current = path.startswith(page.prefix) if page.prefix else path == url
            links.append(Link(page.label, page.icon, url, current))
        return links


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Context processor: `shell` in every template."""
    return {"shell": Shell(request)}

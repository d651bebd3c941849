"""What each app brings to the console: one `AppDescriptor` per app, the value `DESCRIPTOR` of its module `descriptor`.

The console, the accounts, the API, the alerts and the tables' tools read here what they need of the apps, and name
none of them. The order is that of INSTALLED_APPS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from django.apps import apps
from django.http import HttpResponseBase
from django.utils.module_loading import module_has_submodule

if TYPE_CHECKING:
    from ninja import Router

    from opsportal.alerts.watches import Watch
    from opsportal.operations.outbox import Handler
    from opsportal.operations.pages import ItemActions
    from opsportal.operations.resource_types import ResourceType
    from opsportal.tables.ages import Watched
    from opsportal.tables.retention.rules import Rule


@dataclass(frozen=True)
class Page:
    """An entry of the navigation. `prefix`: of the paths at which it is the current one, "" for its own alone."""

    label: str
    icon: str
    url_name: str
    permission: str = ""
    prefix: str = ""


@dataclass(frozen=True)
class Panel:
    """A part of the overview, at ``/panels/<key>/``. `permission`: "" for any staff, as the view's mark says.
    `list_url_name`: the list that it leads to, if any."""

    key: str
    title: str
    view: Callable[..., HttpResponseBase]
    permission: str = ""
    list_url_name: str = ""

    @property
    def name(self) -> str:
        """Of its address, and of its region on the page."""
        return f"panel-{self.key}"


@dataclass(frozen=True)
class Scope:
    """What a token may be allowed. `label` says what it allows; `permissions`: beside those of the app's actions that
    declare this scope (see `accounts.scopes.all_scopes`)."""

    name: str
    label: str
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppDescriptor:
    """What one app brings; everything is optional."""

    page: Page | None = None
    # The module of its addresses, which are under the page's prefix.
    urls: str = ""
    panel: Panel | None = None
    # Pages whose filters can be saved under a name: the page's key, and the name of its address.
    saved_views: Mapping[str, str] = field(default_factory=dict)
    # By the least role, the permissions ("app_label.codename") that it has.
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    # The actions on its items; what they ask for is part of their scopes.
    actions: "ItemActions | None" = None
    routers: "tuple[Router, ...]" = ()
    resource_type: "ResourceType | None" = None
    # By the kind of a message of the outbox, what carries it out.
    messages: "Mapping[str, Handler]" = field(default_factory=dict)
    # What alert rules can watch.
    watches: "tuple[Watch, ...]" = ()
    # The table whose oldest unfinished item has an age.
    ages: "Watched | None" = None
    retention: "Rule | None" = None
    # Called when the console starts; they raise what is wrong with the settings.
    checks: tuple[Callable[[], None], ...] = ()
    # By the `sid` of a feature of `opsportal.tables.permissions`, what the app's pages and actions ask IAM for.
    iam: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # The setting that holds the URL of the queue that its messages go to.
    queue: str = ""


@cache
def descriptors() -> tuple[AppDescriptor, ...]:
    """Of every installed app that has one. Not before the models are loaded: they import views and queries."""
    return tuple(
        import_module(f"{config.name}.descriptor").DESCRIPTOR
        for config in apps.get_app_configs()
        if config.module and module_has_submodule(config.module, "descriptor")
    )

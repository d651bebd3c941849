"""What each app brings to the console: one `AppDescriptor` per app, the value `DESCRIPTOR` of its module `descriptor`.

The console, the accounts, the API, the alerts and the tables' tools read here what they need of the apps, and name
none of them. The order is that of INSTALLED_APPS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.utils.module_loading import module_has_submodule

if TYPE_CHECKING:
    from ninja import Router

    from opsportal.alerts.watches import Watch
    from opsportal.exports.exportable import Exportable
    from opsportal.failures.failure import Source
    from opsportal.operations.bulk import Bulk
    from opsportal.operations.outbox import Handler
    from opsportal.operations.pages import ItemActions
    from opsportal.operations.resource_types import ResourceType
    from opsportal.search.sources import Searched
    from opsportal.tables.ages import Watched
    from opsportal.tables.retention.rules import Rule


@dataclass(frozen=True)
class Page:
    """An entry of the navigation. `prefix`: of the paths at which it is the current one, "" for its own alone. `count`: how
    much needs attention, shown with it; each page asks, so it reads no table."""

    label: str
    icon: str
    url_name: str
    permission: str = ""
    prefix: str = ""
    count: Callable[[], int] | None = None


@dataclass(frozen=True)
class Panel:
    """A part of the overview, at ``/panels/<key>/``. Its figures are the same for all who may see it, and for every
    window; see `opsportal.console.panels`.

    `figures`: the next ones, made of those before (None for the first), plain and picklable; it may raise `DynamoError`.
    `shown`: what the template shows of them in a window (``1h``, ``24h``, ``7d``). `location`: what they depend on, part of
    their name. `fresh`: seconds until they are read again. `permission`: "" for any staff. `list_url_name`: the list that
    it leads to, if any, for those who have `list_permission`. `about`: in place of the window. `elsewhere`:
    other pages show its figures too, and note their readers (`panels.note_viewer`).
    """

    key: str
    title: str
    template: str
    figures: Callable[[Any], Any]
    shown: Callable[[Any, str], dict[str, Any]]
    location: Callable[[], str]
    permission: str = ""
    list_url_name: str = ""
    list_permission: str = ""
    about: str = ""
    fresh: Callable[[], float] = lambda: 10.0
    elsewhere: bool = False

    @property
    def name(self) -> str:
        """Of its address, and of its region on the page."""
        return f"panel-{self.key}"

    @property
    def figures_name(self) -> str:
        return f"{self.name}:{self.location()}"


@dataclass(frozen=True)
class Scope:
    """What a token may be allowed. `label` says what it allows; `permissions`: besides those of the app's actions that
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
    # How many of its items are chosen at once, for a job.
    bulk: "Bulk | None" = None
    # Its lists that can be exported.
    exports: "tuple[Exportable[Any], ...]" = ()
    routers: "tuple[Router, ...]" = ()
    resource_type: "ResourceType | None" = None
    # By the kind of a message of the outbox, what carries it out.
    messages: "Mapping[str, Handler]" = field(default_factory=dict)
    # What the search finds.
    search: "tuple[Searched, ...]" = ()
    # Forms that are opened from any page: their label, icon, address and permission.
    shortcuts: tuple[Page, ...] = ()
    # What alert rules can watch.
    watches: "tuple[Watch, ...]" = ()
    # The table whose oldest unfinished item has an age.
    ages: "Watched | None" = None
    retention: "Rule | None" = None
    # The table whose failed items become cases.
    failures: "Source | None" = None
    # Called when the console starts; they raise what is wrong with the settings.
    checks: tuple[Callable[[], None], ...] = ()
    # By the `sid` of a feature of `opsportal.tables.permissions`, what the app's pages and actions ask IAM for.
    iam: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Which agents work the step, or offer the capability, of a name, in words, where none of them is ready; else "".
    not_ready: Callable[[str], str] | None = None
    # By the name of a form's field, its label, "" for a hidden one. ``extra-*``: of all names that begin so, with ``{}``
    # for the rest, or ``{words}`` for its words. A name that is not there is its own label.
    labels: Mapping[str, str] = field(default_factory=dict)
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

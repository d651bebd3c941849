"""What failure cases bring to the console."""

from opsportal.accounts.roles import OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Scope
from opsportal.failures import api, figures, search, watches
from opsportal.failures.panels import PANEL
from opsportal.failures.selection import EXPORT

DESCRIPTOR = AppDescriptor(
    search=(search.SEARCHED,),
    page=Page(
        "Failures",
        "alert-triangle",
        "failures:list",
        "failures.view_cases",
        "/failures/",
        count=figures.waiting,
    ),
    urls="opsportal.failures.urls",
    panel=PANEL,
    exports=(EXPORT,),
    grants={VIEWER: ("failures.view_cases",), OPERATOR: ("failures.manage_cases",)},
    scopes=(
        Scope("failures:read", "See failure cases", ("failures.view_cases",)),
        Scope(
            "failures:write",
            "Acknowledge, assign, mute and resolve failure cases",
            ("failures.manage_cases",),
        ),
    ),
    routers=(api.router,),
    watches=(watches.UNACKNOWLEDGED,),
)

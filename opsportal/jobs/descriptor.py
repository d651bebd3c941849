"""What jobs bring to the console."""

from opsportal.accounts.roles import OPERATOR, VIEWER
from opsportal.descriptors import AppDescriptor, Page, Scope
from opsportal.jobs import api, events, search
from opsportal.jobs.exported import EXPORT
from opsportal.jobs.states import MESSAGE

DESCRIPTOR = AppDescriptor(
    search=(search.SEARCHED,),
    exports=(EXPORT,),
    page=Page("Jobs", "list-details", "jobs:list", "jobs.view_jobs", "/jobs/"),
    urls="opsportal.jobs.urls",
    grants={VIEWER: ("jobs.view_jobs",), OPERATOR: ("jobs.run_jobs",)},
    scopes=(
        Scope("jobs:run", "See and run jobs: one action on many items", ("jobs.view_jobs", "jobs.run_jobs")),
    ),
    routers=(api.router,),
    messages={MESSAGE: events.notify},
)

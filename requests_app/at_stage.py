"""What is stuck at the stages of requests that carry the name of a capability."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from opsportal.console import stuck_at
from opsportal.console.access import requires
from opsportal.console.admission import Load, queued
from requests_app.models import IntelligenceRequest

KIND = stuck_at.Kind("Requests", "request", "requests", "requests")
# Of the names that are compared, and of their characters.
MAX_NAMES, MAX_NAME = 20, 100


@requires("requests_app.view_requests")
@queued(Load.PANEL)
def at_stage(request: HttpRequest) -> HttpResponse:
    """The requests that the overview calls stuck, at a stage that is one of `offers` but for case and separators."""
    names = [name for name in request.GET.getlist("offers")[:MAX_NAMES] if len(name) <= MAX_NAME]
    wanted = {found for name in names if (found := letters(name))}

    def here(stuck: Sequence[IntelligenceRequest]) -> list[stuck_at.Stuck]:
        return [
            stuck_at.Stuck(one.id, one.touched_at) for one in stuck if letters(one.progress.stage) in wanted
        ]

    where = f"at the stage {names[0]}" if len(names) == 1 else "at a stage of these capabilities"
    return stuck_at.page(request, KIND, where, here)


def letters(name: object) -> str:
    """`Content Extraction` and `content_extraction` are one."""
    return "".join(one for one in name.casefold() if one.isalnum()) if isinstance(name, str) else ""

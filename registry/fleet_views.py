"""The page of the registry as a whole."""

from django.http import HttpRequest, HttpResponse

from opsportal.console.access import requires
from opsportal.console.listing import Region, respond, seen_token
from registry.fleet import MOST_ROWS, fleet


@requires("registry.view_agents")
def fleet_(request: HttpRequest) -> HttpResponse:
    """Who offers each capability, who shares an endpoint, and who went quiet."""
    found = fleet()
    region = Region("live", seen=seen_token(found.at.isoformat()))
    context = {"fleet": found, "most": MOST_ROWS}
    return respond(request, "registry/fleet.html", context, region)

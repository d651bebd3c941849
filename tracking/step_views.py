"""What workflows show of one agent step: a page, and the panel that an agent's page holds."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from opsportal.console.access import requires
from opsportal.console.listing import Region, respond, seen_token
from opsportal.console.percentiles import LEAST
from opsportal.console.problems import wants_fragment
from opsportal.dynamo.errors import DynamoError
from tracking import figures
from tracking.declared import Declared, rows


@requires("tracking.view_workflows")
def step(request: HttpRequest, key: str) -> HttpResponse:
    """Figures of a step beside those that the address says are declared (`tracking.declared`).

    To htmx a table in trouble is a state of the panel, since it swaps no error."""
    context: dict[str, Any] = {"key": key, "label": figures.label_of(key), "least": LEAST}
    try:
        sample = figures.sample()
    except DynamoError as problem:
        if not wants_fragment(request):
            raise
        return respond(
            request,
            "tracking/step.html",
            {**context, "problem": problem},
            Region("step-figures", seen=seen_token(problem.kind)),
        )
    found = sample.of(key)
    context |= {
        "sample": sample,
        "figures": found,
        "rows": rows(Declared.of({name: str(value) for name, value in request.GET.items()}), found),
    }
    region = Region("step-figures", seen=seen_token(sample.at.isoformat(), repr(found)))
    return respond(request, "tracking/step.html", context, region)

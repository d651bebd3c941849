"""What is stuck at one step of the workflows."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from opsportal.console import stuck_at
from opsportal.console.access import requires
from opsportal.console.admission import Load, queued
from opsportal.console.tones import WAITING
from tracking.figures import label_of
from tracking.models import Workflow

KIND = stuck_at.Kind("Workflows", "workflow", "workflows", "tracking")


@requires("tracking.view_workflows")
@queued(Load.PANEL)
def at_step(request: HttpRequest, key: str) -> HttpResponse:
    """The workflows that the overview calls stuck and that are at the step `key`."""

    def here(stuck: Sequence[Workflow]) -> list[stuck_at.Stuck]:
        return [stuck_at.Stuck(one.id, one.updated_at) for one in stuck if key in steps_at(one)]

    return stuck_at.page(request, KIND, f"at the step {label_of(key)}", here)


def steps_at(workflow: Workflow) -> set[str]:
    """The keys of the steps that it is at: those that run, else the first that waits."""
    running = {step.key for step in workflow.steps if step.running}
    waiting = (step.key for step in workflow.steps if step.tone == WAITING)
    return running or set(list(waiting)[:1])

"""The worker's reading of the overview's figures, ahead of those who look at it, and drawing of its panels: then no page
has to."""

from django.conf import settings

from opsportal.console import drawn, panels
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.shared import kept, renewed
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.operations.tasks import Over, Task


def read(table: Binding, over: Over) -> int:
    """Renew what is old while somebody looks, and what was never read to its end; the number of panels. Raises the
    first `DynamoError`, after all panels."""
    named = {panel.figures_name: panel for panel in panels.panels()}
    found = kept(named, fresh=0)
    viewed, looks, done = panels.is_viewed(), panels.looks(), 0
    problem: DynamoError | None = None
    for name, panel in named.items():
        seen = viewed or (panel.elsewhere and panels.is_viewed(panel.key))
        if over() or not (seen or name not in found or _is_filling(found[name].value)):
            continue
        try:
            with request_budget(settings.DYNAMO_REQUEST_DEADLINE):
                new = renewed(name, panel.figures, fresh=panels.fresh_of(panel), life=panels.LIFE_SECONDS)
        except DynamoError as error:
            problem = problem or error
            continue
        if new:
            drawn.draw_ahead(panel, new, looks)
            done += 1
    panels.note_worker()
    if problem:
        raise problem
    return done


def _is_filling(figures: object) -> bool:
    return isinstance(figures, dict) and bool(figures.get("filling"))


FIGURES = Task("figures", read, deadline=60, per_location=False)

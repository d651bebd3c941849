"""How many jobs are open, for a worker that somebody asks for figures."""

from collections import Counter

from opsportal.dynamo.tables import Binding
from opsportal.jobs import store
from opsportal.jobs.job import OPEN
from opsportal.operations.tasks import Over, Task
from opsportal.telemetry import figures


def measure(location: Binding, over: Over) -> int:
    """Set the figures of a location. Raises `DynamoError`."""
    found = Counter(job.state for job in store.live(location))
    for state in OPEN:
        figures.OPEN_JOBS.labels(location.region, state.value).set(found[state])
    return 0


OPEN_JOBS = Task("jobs-open", measure, every=30.0)

"""How many cases are open, for a worker that somebody asks for figures."""

from collections import Counter

from opsportal.dynamo.tables import Binding
from opsportal.failures import store
from opsportal.failures.failure import all_sources
from opsportal.operations.tasks import Over, Task
from opsportal.telemetry import figures


def measure(_: Binding, over: Over) -> int:
    """Set the figures of all tables. Raises `DynamoError`."""
    found = Counter(case.logical for case in store.active())
    for logical in all_sources():
        figures.FAILURE_CASES.labels(logical).set(found[logical])
    return 0


OPEN_CASES = Task("failures-open", measure, every=60.0, per_location=False)

"""The status writer of workflows, under the name that orchestrators import it by. See `writers`."""

from writers import values
from writers.aio import AsyncStatusWriter
from writers.results import Cancelled, StatusWriteError, Stopped, TakenAway, Trouble, WriteResult
from writers.steps import RunningStep, RunningWorkflow
from writers.values import STEPS
from writers.workflows import StatusWriter

__all__ = [
    "STEPS",
    "AsyncStatusWriter",
    "Cancelled",
    "RunningStep",
    "RunningWorkflow",
    "StatusWriteError",
    "StatusWriter",
    "Stopped",
    "TakenAway",
    "Trouble",
    "WriteResult",
    "values",
]

"""The writer of requests and their logs, under the name that workers import it by. See `writers`."""

from writers.aio import AsyncJob, AsyncRequestWriter
from writers.jobs import Job
from writers.request_plans import STAGES
from writers.requests import RequestWriter
from writers.results import Cancelled, RequestWriteError, Stopped, TakenAway, Trouble, WriteResult

__all__ = [
    "STAGES",
    "AsyncJob",
    "AsyncRequestWriter",
    "Cancelled",
    "Job",
    "RequestWriteError",
    "RequestWriter",
    "Stopped",
    "TakenAway",
    "Trouble",
    "WriteResult",
]

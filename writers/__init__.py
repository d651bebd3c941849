"""What orchestrators and workers record their progress with. It needs boto3 and nothing else.

Copy this folder into a project of yours, under any name, or import it from an installed console:
`StatusWriter` for workflows (``tracking.writer``), `RequestWriter` for requests and their logs
(``requests_app.writer``), and `AsyncStatusWriter` and `AsyncRequestWriter` for asyncio. docs/writers.md says
how; each class says what it writes and raises.
"""

from .aio import AsyncJob, AsyncRequestWriter, AsyncStatusWriter, AsyncStep, AsyncWorkflow
from .jobs import Job
from .request_plans import STAGES
from .requests import RequestWriter
from .results import (
    Cancelled,
    RequestWriteError,
    StatusWriteError,
    Stopped,
    TakenAway,
    Trouble,
    WriteError,
    WriteResult,
)
from .steps import RunningStep, RunningWorkflow
from .values import STEPS
from .workflows import StatusWriter

__all__ = [
    "STAGES",
    "STEPS",
    "AsyncJob",
    "AsyncRequestWriter",
    "AsyncStatusWriter",
    "AsyncStep",
    "AsyncWorkflow",
    "Cancelled",
    "Job",
    "RequestWriteError",
    "RequestWriter",
    "RunningStep",
    "RunningWorkflow",
    "StatusWriteError",
    "StatusWriter",
    "Stopped",
    "TakenAway",
    "Trouble",
    "WriteError",
    "WriteResult",
]

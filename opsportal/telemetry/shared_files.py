"""Where gunicorn's workers keep their figures, so that whichever is asked reports those of all: a directory of mapped
files. For gunicorn's master; knows nothing of Django."""

import atexit
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class SharedFiles:
    """The directory of one web server. It must be set before anything imports prometheus_client."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self.environ = environ
        self.made: Path | None = None
        self.prepared = False

    @property
    def wanted(self) -> bool:
        """Without a guard nobody can ask."""
        return bool(self.environ.get("METRICS_TOKEN") or self.environ.get("METRICS_ALLOW"))

    def prepare(self) -> None:
        """Make the directory, or empty the one that is named: an earlier server's figures are not ours. Once: a reload
        of the configuration leaves it as it is."""
        if self.prepared:
            return
        self.prepared = True
        if not self.wanted:
            self.environ.pop(VARIABLE, None)
            return
        if named := self.environ.get(VARIABLE):
            Path(named).mkdir(parents=True, exist_ok=True)
            for file in Path(named).glob("*.db"):
                file.unlink()
            return
        self.made = Path(tempfile.mkdtemp(prefix="opsportal-metrics-"))
        self.environ[VARIABLE] = str(self.made)
        atexit.register(self.remove, os.getpid())

    def worker_ended(self, pid: int) -> None:
        """Its gauges go with it; what it counted stays, or the sums would drop."""
        if VARIABLE in self.environ:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(pid, self.environ[VARIABLE])  # type: ignore[no-untyped-call]

    def remove(self, owner: int) -> None:
        """At the end of the process `owner`, not at that of its forks."""
        if self.made and os.getpid() == owner:
            shutil.rmtree(self.made, ignore_errors=True)


# Of this process, however often its configuration is read.
of_this_server = SharedFiles()

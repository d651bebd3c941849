"""The ids of the items that the simulator looks after: those that it made, and the demo's newest.

They are kept in a file, so that no table is searched for them, however large it is.
"""

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from opsportal.dynamo.tables import binding

logger = logging.getLogger(__name__)

FILE = "simulator.json"
UNFINISHED = ("initializing", "pending", "processing", "executing")
# An unfinished item that was written so lately is gone on with; what is older was abandoned.
AT_WORK = timedelta(minutes=10)


@dataclass
class Roster:
    """`keys`: by the table's name, the oldest first. `path` None: kept in memory only."""

    path: Path | None = None
    keys: dict[str, dict[str, None]] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Roster":
        """That of this data directory; empty where there is none, or none that can be read."""
        roster = cls(Path(settings.DATA_DIR) / FILE)
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            stored = json.loads((Path(settings.DATA_DIR) / FILE).read_text())
            roster.keys = {str(table): dict.fromkeys(map(str, keys)) for table, keys in stored.items()}
        return roster

    def of(self, logical: str) -> dict[str, None]:
        return self.keys.setdefault(binding(logical).name, {})

    def add(self, logical: str, keys: Iterable[str]) -> None:
        self.of(logical).update(dict.fromkeys(keys))

    def save(self) -> None:
        """Replace the file, so that a reader finds the old one or the new one."""
        if self.path is None:
            return
        text = json.dumps({table: list(keys) for table, keys in self.keys.items()})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
                file.write(text)
            os.replace(file.name, self.path)
        except OSError as error:
            logger.warning(
                "%s was not written, so the next simulator starts without it: %s", self.path, error
            )

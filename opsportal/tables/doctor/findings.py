"""What the doctor says: one finding per question, and how it looks in a terminal."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby

from opsportal.console.text import visible

# `FAIL`: something that is needed does not work. `NOTE`: to be known, nothing is broken. `UNKNOWN`: not known.
OK, NOTE, UNKNOWN, FAIL = "ok", "note", "unknown", "FAIL"
# In the order in which one depends on the other.
AREAS = (
    "credentials", "region", "endpoint", "clock", "tables", "permissions", "queues", "worker", "database",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """`area`: what was looked at (credentials, region, ...); `what` was found, `why`, how to fix it, and the policy
    statement that does, if one does."""

    area: str
    state: str
    what: str
    why: str = ""
    fix: str = ""
    statement: str = ""

    def as_json(self) -> dict[str, str]:
        return {"mend" if name == "fix" else name: text for name, text in asdict(self).items()}


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """As text, area by area. What AWS or an emulator wrote has its control characters made visible."""
    for area, members in groupby(findings, key=lambda finding: finding.area):
        yield area
        for finding in members:
            yield f"  {finding.state:<8}{visible(finding.what)}"
            for text in (finding.why, finding.fix and f"-> {finding.fix}", finding.statement):
                for line in text.splitlines():
                    yield f"          {visible(line)}"


def summary(findings: list[Finding]) -> str:
    failed = [finding for finding in findings if finding.state == FAIL]
    notes = sum(finding.state == NOTE for finding in findings)
    unknown = sum(finding.state == UNKNOWN for finding in findings)
    beside = f"; {notes} note{'' if notes == 1 else 's'}" if notes else ""
    beside += f"; {unknown} unknown" if unknown else ""
    if not failed:
        return f"Nothing that is needed fails{beside}."
    areas = ", ".join(dict.fromkeys(finding.area for finding in failed))
    return f"{len(failed)} of {len(findings)} findings need fixing ({areas}){beside}."

"""What of a job's set is frozen so far, as its `meta` has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.lists import Position
from opsportal.jobs.chunks import Record
from opsportal.jobs.job import counted, decimal, numbers, sample_in, whole
from opsportal.operations.changes import Raw, number, text

# Of the preview that people see, and sentences that are counted one by one.
SAMPLE, MAX_REASONS = 20, 50
OTHERS = "Other reasons"


@dataclass
class Frozen:
    """What is frozen so far, and where the walk goes on."""

    chunks: int = 0
    matched: int = 0
    eligible: int = 0
    units: Decimal = Decimal(0)
    read_units: Decimal = Decimal(0)
    reasons: dict[str, int] = field(default_factory=dict)
    sample: list[tuple[str, str]] = field(default_factory=list)
    after: Position | None = None

    @classmethod
    def from_meta(cls, raw: Mapping[str, Typed]) -> "Frozen":
        position = raw.get("position", {}).get("M")
        return cls(
            chunks=whole(raw, "chunks"),
            matched=whole(raw, "matched"),
            eligible=whole(raw, "eligible"),
            units=decimal(raw, "units"),
            read_units=decimal(raw, "read_units"),
            reasons=counted(raw, "reasons"),
            sample=list(sample_in(raw)),
            after=_position(position) if position else None,
        )

    def stored(self) -> Raw:
        values: Raw = {
            "chunks": number(self.chunks),
            "matched": number(self.matched),
            "eligible": number(self.eligible),
            "units": number(self.units),
            "read_units": number(self.read_units),
            "reasons": numbers(self.reasons),
            "sample": {"L": [{"L": [text(key), text(status)]} for key, status in self.sample]},
        }
        if self.after:
            key = self.after.get("key")
            place = {
                "partition": text(self.after.get("partition", "")),
                "key": {"M": key} if key else {"NULL": True},
            }
            values["position"] = {"M": place}
        return values

    def add(self, one: Record, units: int) -> None:
        self.matched += 1
        if one.reason:
            known = one.reason in self.reasons or len(self.reasons) < MAX_REASONS
            reason = one.reason if known else OTHERS
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        else:
            self.eligible += 1
            self.units += units
            if len(self.sample) < SAMPLE:
                self.sample.append((one.key, one.status))


def _position(stored: Mapping[str, Typed]) -> Position:
    return {"partition": stored["partition"]["S"], "key": stored["key"].get("M")}

"""One run that finds why something does not work: what, why, and how to fix it. It changes nothing."""

from opsportal.tables.doctor.examination import examine
from opsportal.tables.doctor.findings import FAIL, NOTE, OK, UNKNOWN, Finding

__all__ = ["FAIL", "NOTE", "OK", "UNKNOWN", "Finding", "examine"]

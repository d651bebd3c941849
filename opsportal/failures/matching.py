"""Which case an item's failure belongs to: computed from the item alone, without a read."""

from django.contrib.auth.models import AnonymousUser, User

from opsportal.dynamo.attributes import Raw
from opsportal.dynamo.pages import Keep
from opsportal.failures.failure import all_sources
from opsportal.failures.fingerprint import Fingerprint, fingerprint

VIEW = "failures.view_cases"


def fingerprint_of(logical: str, raw: Raw) -> Fingerprint | None:
    """Of an item of that table; None where its status is no failure, or where nobody follows the table's failures."""
    source = all_sources().get(logical)
    failure = source.failure_of(raw) if source else None
    return fingerprint(logical, failure) if failure else None


def case_for(user: User | AnonymousUser, logical: str, raw: Raw) -> str:
    """The id of its case, for who may see cases; "" else, and where it has none."""
    found = fingerprint_of(logical, raw) if user.has_perm(VIEW) else None
    return found.id if found else ""


def of_case(logical: str, case_id: str) -> Keep:
    """What keeps the items of that table that belong to the case."""

    def keep(raw: Raw) -> bool:
        found = fingerprint_of(logical, raw)
        return found is not None and found.id == case_id

    return keep

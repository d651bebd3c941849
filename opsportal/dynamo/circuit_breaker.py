"""Places that do not answer. To learn that takes minutes, so a command learns it once of each."""

from collections.abc import Callable
from typing import TypeVar

from opsportal.dynamo.errors import CredentialsRefused, DynamoError, Unreachable
from opsportal.dynamo.tables import Binding

T = TypeVar("T")


class CircuitBreaker:
    """Amazon's regions, and endpoints of the settings, that did not answer or refused the credentials, as a command
    went along."""

    def __init__(self) -> None:
        self._errors: dict[str, DynamoError] = {}

    def note(self, table: Binding, error: DynamoError | None) -> None:
        """Remember it of the table's place, if it is of the place and not of the table."""
        if isinstance(error, Unreachable | CredentialsRefused):
            self._errors.setdefault(_who(table), error)

    def ask(self, table: Binding, call: Callable[[Binding], T]) -> T:
        """What `call` says of the table. Raises what it raises; without a call, where that is known of the place."""
        if known := self._errors.get(_who(table)):
            raise known
        try:
            return call(table)
        except DynamoError as error:
            self.note(table, error)
            raise


def _who(table: Binding) -> str:
    """Who answers about it: an endpoint is one machine, whatever regions it is asked for."""
    return table.endpoint or table.region

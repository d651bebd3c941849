"""Ordinary PynamoDB models for the console's own tables, of which there is one per location.

Their attributes are tolerant (`attributes`): another version of the console, or a person, may have written an item.
"""

import functools
from typing import Any, Self, cast

from pynamodb.connection.base import Connection
from pynamodb.models import Model

from opsportal.dynamo import clients
from opsportal.dynamo.tables import Binding


class SharedConnection(Connection):
    """PynamoDB's connection over a shared client, which keeps a request's deadline and counts what it consumes."""

    def __init__(self, region: str, endpoint: str, *, background: bool) -> None:
        super().__init__(region, endpoint or None)
        self._patient = background

    @property
    def client(self) -> Any:
        return clients.client(self.region, self.host or "", background=self._patient)


class InternalModel(Model):
    """An item of an internal table."""

    @classmethod
    def bound_to(cls, table: Binding, *, background: bool = False) -> type[Self]:
        """This model at `table`. Its calls raise botocore's and PynamoDB's errors: wrap them in `errors.translated`.
        `get` raises `cls.DoesNotExist`."""
        return cast("type[Self]", _bound(cls, table.name, *table.location, background))


@functools.lru_cache(maxsize=64)
def _bound(model: type[Model], name: str, region: str, endpoint: str, background: bool) -> type[Model]:
    """PynamoDB takes table, region and connection from the class, so each table has a class of its own."""
    meta = type("Meta", (), {"table_name": name, "region": region, "host": endpoint or None})
    members = {"Meta": meta, "DoesNotExist": model.DoesNotExist, "__module__": model.__module__}
    made = cast("type[Model]", type(model.__name__, (model,), members))
    shared = SharedConnection(region, endpoint, background=background)
    # The only private part that is used. PynamoDB has no public way to a client of ours, without which a call has no
    # deadline and is not counted: tests/dynamo/test_internal.py::test_it_reads_over_the_shared_client
    connection = made._get_connection()
    shared.add_meta_table(connection.get_meta_table())
    connection.connection = shared
    return made

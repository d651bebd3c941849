"""The cache that all processes share, in its table of the relational database."""

import uuid
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import DatabaseError, connections, router
from django.utils import timezone


class SharedCache(DatabaseCache):
    """Reads where nothing can be written: Django's own deletes what has expired when it is read. `set` is false where
    it can't write, as Django's; `add` raises DatabaseError then, since its False says that another was there first."""

    cache_model_class: Any
    _table: str

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        if super().add(key, value, timeout, version):
            return True
        if self.get(key, version=version) is None:
            self._write_something()
        return False

    def _write_something(self) -> None:
        """Raises what keeps it from that, which Django's own `add` does not let out."""
        connection = connections[router.db_for_write(self.cache_model_class)]
        table, key = connection.ops.quote_name(self._table), f"unwritten:{uuid.uuid4()}"
        over = connection.ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0, tzinfo=None))
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", [key, "", over])  # noqa: S608 (its own name)
            cursor.execute(f"DELETE FROM {table} WHERE cache_key = %s", [key])  # noqa: S608

    def _base_delete_many(self, keys: list[str]) -> bool:
        try:
            return bool(super()._base_delete_many(keys))  # type: ignore[misc]
        except DatabaseError:
            return False

    def _base_set(self, *args: object, **kwargs: object) -> bool:
        try:
            return bool(super()._base_set(*args, **kwargs))  # type: ignore[misc]
        except DatabaseError:
            return False

"""The cache that all processes share, in its table of the relational database."""

from django.core.cache.backends.db import DatabaseCache
from django.db import DatabaseError


class SharedCache(DatabaseCache):
    """Reads where nothing can be written: Django's own deletes what has expired when it is read, and counts before it
    writes. It never fails because of what it can't write or delete, of which the first is Django's rule."""

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

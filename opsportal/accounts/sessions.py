"""Django's sessions in the database, of which only those that have changed are decoded."""

from dataclasses import dataclass
from typing import Any

from django.contrib.sessions.backends import db

from opsportal.accounts import cache_version
from opsportal.accounts.identity import KEPT, Identity


@dataclass
class Entry:
    """A session as it is stored: its data, serialised, and whose it is, once a request has asked."""

    data: bytes
    identity: Identity | None = None


class SessionStore(db.SessionStore):
    """The settings' SESSION_ENGINE."""

    _entry: Entry | None = None

    @property
    def entry(self) -> Entry | None:
        """What is kept of this session, None where there is none."""
        self.keys()  # which loads it
        return self._entry

    def load(self) -> dict[str, Any]:
        version, stored = cache_version.read(self.session_key)
        if stored is None:
            self._session_key = None
            return {}
        key = f"session {self.session_key}"
        self._entry = KEPT.get(key, (version, stored))
        if self._entry is None:
            data = self.decode(stored)
            self._entry = Entry(self.serializer().dumps(data))
            if version is not None:
                KEPT.put(key, (version, stored), self._entry)
        # Made again for each request, which may change it.
        loaded: dict[str, Any] = self.serializer().loads(self._entry.data)
        return loaded

"""Which table a spooled record is for, beyond its name: tables of one name are in many regions and accounts."""

import base64
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

_AWS = re.compile(r"\.(amazonaws\.com(\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$")
_ARN = re.compile(r"arn:[^:]+:dynamodb:([^:]*):(\d{12}):")
_KEY_ID = re.compile(r"A[A-Z]{3}[A-Z2-7]{16}$")


@dataclass
class Location:
    """``endpoint``: "" for AWS's own, whichever of them leads there. ``account``: "" until it is known."""

    region: str = ""
    endpoint: str = ""
    key: str = ""
    account: str = ""

    def __str__(self) -> str:
        facts = (self.region, self.endpoint, self.key and f"key {self.key}")
        account = self.account and f"account {self.account}"
        return ", ".join(fact for fact in (*facts, account) if fact)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> "Location":
        return cls(**{one.name: str(found.get(one.name) or "") for one in fields(cls)})

    def is_other(self, other: "Location") -> bool:
        """Whether a table there is another than one here. Accounts differ only where both are known."""
        here, there = ((at.region, at.endpoint, at.key) for at in (self, other))
        return here != there or bool(self.account and other.account and self.account != other.account)


def locate(client: Any, table_name: str, key: str, ask: bool = False) -> Location:
    """Where a client finds a table, and by which key. ``ask``: whether credentials that are not at hand yet may be
    asked for, to know the account."""
    meta, arn = getattr(client, "meta", None), _ARN.match(table_name)
    region, endpoint = (str(getattr(meta, name, None) or "") for name in ("region_name", "endpoint_url"))
    is_aws = _AWS.search(urlsplit(endpoint).hostname or "")
    account = arn[2] if arn else _account_of(client, ask)
    return Location(arn[1] if arn else region, "" if is_aws else endpoint.rstrip("/").lower(), key, account)


def _account_of(client: Any, ask: bool) -> str:
    credentials: Any = getattr(getattr(client, "_request_signer", None), "_credentials", None)
    facts = getattr(credentials, "__dict__", {})
    account = facts.get("_account_id") or facts.get("account_id")
    key_id = facts.get("_access_key") or facts.get("access_key")
    if ask and key_id is None and hasattr(credentials, "get_frozen_credentials"):
        with contextlib.suppress(Exception):  # what can't be had is said by the call that needs it
            credentials.get_frozen_credentials()
        return _account_of(client, False)
    return str(account or account_of_key(str(key_id or "")))


def account_of_key(key_id: str) -> str:
    """The account that an access key's id names: 40 bits behind a first that is set since 2019; "" for others."""
    if not _KEY_ID.match(key_id):
        return ""
    number = int.from_bytes(base64.b32decode(key_id[4:])[:6])
    account = (number & 0x7FFFFFFFFF80) >> 7
    return f"{account:012d}" if number >> 47 and account < 10**12 else ""

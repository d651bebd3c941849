"""Leases: an item that one process at a time works on, until it gives it back or its time is over.

Each claim adds one to the item's fence. A holder that was too slow has a lower number than the next one has, and what
it still writes under the lease is refused.
"""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding

# Who holds it, for people.
OWNER = "owner"
_owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Lost(Exception):
    """Another holds the lease by now, or the item is gone."""


@dataclass(frozen=True)
class Lease:
    """The item with this key, and the attributes that hold the end of its lease (epoch seconds) and its fence.

    `number` is the fence of this claim, and `item` the item with the claim in it; both are empty until `claim`.
    """

    table: Binding
    key: Mapping[str, Typed]
    until: str = "lease_until"
    fence: str = "fence"
    number: int = 0
    item: Mapping[str, Typed] = field(default_factory=dict)

    def read(self) -> dict[str, Typed]:
        """The item as it is, whoever holds it; empty where there is none. Raises `DynamoError`."""
        with translated(self.table):
            answer = clients.client(*self.table.location, background=True).get_item(
                TableName=self.table.name, Key=self.key, ConsistentRead=True
            )
        item: dict[str, Typed] = answer.get("Item", {})
        return item

    def claim(self, seconds: int, now: float | None = None, *, create: bool = False) -> "Lease | None":
        """The lease, held for so long; None where another holds it, or the item is gone (`create`: it is made).

        Raises `DynamoError`.
        """
        at = int(time.time() if now is None else now)
        free = "(attribute_not_exists(#until) OR #until < :now)"
        try:
            item = self._update(
                "SET #until = :until, #owner = :owner ADD #fence :one",
                free if create else f"attribute_exists(#key) AND {free}",
                {"#until": self.until, "#owner": OWNER, "#fence": self.fence}
                | ({} if create else {"#key": self.table.key}),
                {
                    ":until": {"N": str(at + seconds)},
                    ":owner": {"S": _owner},
                    ":one": {"N": "1"},
                    ":now": {"N": str(at)},
                },
            )
        except Lost:
            return None
        return Lease(self.table, self.key, self.until, self.fence, int(item[self.fence]["N"]), item)

    def renew(
        self, seconds: int, changes: Mapping[str, Typed] | None = None, now: float | None = None
    ) -> None:
        """Hold it for so long from now, and write `changes`. Raises `Lost`, `DynamoError`."""
        at = int(time.time() if now is None else now)
        self._write({self.until: {"N": str(at + seconds)}, **(changes or {})})

    def release(self, changes: Mapping[str, Typed] | None = None) -> None:
        """Write `changes` and let the next have it. Raises `Lost`, `DynamoError`."""
        self._write(changes or {}, remove=(self.until, OWNER))

    def end(self) -> None:
        """Take it from whoever holds it: what they still write under it is refused. Raises `Lost` where the item is gone,
        `DynamoError`."""
        self._update(
            "REMOVE #until, #owner ADD #fence :one",
            "attribute_exists(#key)",
            {"#until": self.until, "#owner": OWNER, "#fence": self.fence, "#key": self.table.key},
            {":one": {"N": "1"}},
        )

    def _write(self, changes: Mapping[str, Typed], remove: tuple[str, ...] = ()) -> None:
        names = {name: f"#n{at}" for at, name in enumerate((*changes, *remove))}
        values = {f":v{at}": value for at, value in enumerate(changes.values())}
        sets = ", ".join(f"{names[name]} = {value}" for name, value in zip(changes, values, strict=True))
        update = [f"SET {sets}"] if sets else []
        if remove:
            update.append("REMOVE " + ", ".join(names[name] for name in remove))
        self._update(
            " ".join(update),
            "#fence = :fence",
            {placeholder: name for name, placeholder in names.items()} | {"#fence": self.fence},
            values | {":fence": {"N": str(self.number)}},
        )

    def _update(
        self, update: str, condition: str, names: Mapping[str, str], values: Mapping[str, Typed]
    ) -> dict[str, Typed]:
        client = clients.client(*self.table.location, background=True)
        try:
            with translated(self.table):
                answer = client.update_item(
                    TableName=self.table.name,
                    Key=self.key,
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
        except client.exceptions.ConditionalCheckFailedException as error:
            raise Lost from error
        item: dict[str, Typed] = answer["Attributes"]
        return item

"""One marked item, put, read and deleted again (seed 000 of docs/data.md, verification 3): may the console write here?

No other program should act on it in the seconds that it exists. It holds its key, the mark, what the model calls
inert (a finished status), and the TTL of an hour; not the sort keys of the indexes, so that no query that goes
by time finds it. Its key is random and the put refuses an item that is there; the delete refuses one that does
not carry the mark.
"""

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from opsportal.dynamo import clients
from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.deployed import Deployed, Ttl
from opsportal.dynamo.errors import CredentialsRefused, DynamoError, translated
from opsportal.dynamo.fixes import aws
from opsportal.dynamo.models import model_of
from opsportal.dynamo.tables import Binding

MARK = "opsportal_write_test"
KEY_PREFIX = "opsportal-write-test-"
LIFE_SECONDS = 3600


@dataclass
class WriteTest:
    """What was done of put, read and delete; `problem` and `fix` where something failed.

    `left_behind`: the item is in the table still, or may be; `fix` then holds the command that deletes it.
    """

    key: dict[str, Typed] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    problem: str = ""
    fix: str = ""
    left_behind: bool = False

    @property
    def passed(self) -> bool:
        return not self.problem

    def failed(self, problem: str, fix: str = "") -> None:
        """Note a failure beside those before."""
        self.problem = f"{self.problem} {problem}".strip()
        self.fix = f"{self.fix} {fix}".strip()


def write_test(table: Binding, found: Deployed) -> WriteTest:
    """Put, read and delete the item. Never raises `DynamoError`."""
    if why := _impossible(table, found):
        return WriteTest(problem=f"Not tried: {why}")
    token = uuid.uuid4().hex
    made = WriteTest(_key(table, token))
    item = made.key | _content(table, token)
    may_exist = True
    try:
        _put(table, item)
        made.done.append("put")
        _compare(table, made, item)
    except DynamoError as problem:
        # Refused before anything was written; after a lost answer the item may be there.
        may_exist = problem.retry and not isinstance(problem, CredentialsRefused)
        made.failed(problem.sentence, _with_statement(problem))
    finally:  # also when the operator interrupts
        if may_exist or "put" in made.done:
            _delete(table, made, token, found)
    return made


def _impossible(table: Binding, found: Deployed) -> str:
    if (found.key, found.range_key) != (table.key, table.spec.range_key):
        return "the deployed key is another one."
    keys = [name for name in (found.key, found.range_key) if name]
    if any(found.attribute_types.get(name, "S") != "S" for name in keys):
        return "the deployed key is not a text."
    return ""


def _key(table: Binding, token: str) -> dict[str, Typed]:
    names = [name for name in (table.key, table.spec.range_key) if name]
    return {name: {"S": f"{KEY_PREFIX}{token}"} for name in names}


def _content(table: Binding, token: str) -> dict[str, Typed]:
    model = model_of(table.logical)
    inert = model.inert if model else {}
    content: dict[str, Typed] = {name: {"S": text} for name, text in inert.items()} | {MARK: {"S": token}}
    if table.ttl_attribute:
        content[table.ttl_attribute] = {"N": str(int(time.time()) + LIFE_SECONDS)}
    return content


def _client(table: Binding) -> Any:
    return clients.client(*table.location, background=True)


def _put(table: Binding, item: dict[str, Typed]) -> None:
    client = _client(table)
    with translated(table):
        try:
            client.put_item(
                TableName=table.name,
                Item=item,
                ConditionExpression="attribute_not_exists(#key)",
                ExpressionAttributeNames={"#key": table.key},
            )
        except client.exceptions.ConditionalCheckFailedException:
            # A key that nobody else could draw: botocore sent the put again after a lost answer.
            return


def _compare(table: Binding, made: WriteTest, item: dict[str, Typed]) -> None:
    found = _read(table, made.key)
    if found == item:
        made.done.append("read")
    elif found is None:
        made.failed("The item was not there when it was read: another program deleted it.")
    else:
        made.failed("The item was not as it was put when it was read: another program changed it.")


def _read(table: Binding, key: dict[str, Typed]) -> dict[str, Typed] | None:
    with translated(table):
        answer: dict[str, Any] = _client(table).get_item(TableName=table.name, Key=key, ConsistentRead=True)
    return answer.get("Item")


def _delete(table: Binding, made: WriteTest, token: str, found: Deployed) -> None:
    client = _client(table)
    try:
        with translated(table):
            try:
                client.delete_item(
                    TableName=table.name,
                    Key=made.key,
                    ConditionExpression="#mark = :token",
                    ExpressionAttributeNames={"#mark": MARK},
                    ExpressionAttributeValues={":token": {"S": token}},
                )
            except client.exceptions.ConditionalCheckFailedException:
                if _read(table, made.key) is not None:
                    made.failed("The item no longer has its mark: another program wrote it.")
                    _leave(table, made, found)
                    return
                if "put" not in made.done:
                    return  # never written; else deleted by an attempt whose answer was lost
        made.done.append("delete")
    except DynamoError as problem:
        made.failed(problem.sentence, _with_statement(problem))
        _leave(table, made, found)


def _leave(table: Binding, made: WriteTest, found: Deployed) -> None:
    made.left_behind = True
    expires = isinstance(found.ttl, Ttl) and found.ttl.on and found.ttl.attribute == table.ttl_attribute
    made.failed(
        f"The item {json.dumps(made.key)} may be left behind"
        + (", and expires in an hour (DynamoDB deletes it within days)." if expires else "."),
        f"Delete it: {aws(table, 'delete-item', '--key', json.dumps(made.key))}",
    )


def _with_statement(problem: DynamoError) -> str:
    """The fix, with the policy statement on one line."""
    return f"{problem.fix} {' '.join(problem.statement.split())}".strip()

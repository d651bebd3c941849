"""Items put fast, in batches, several at a time; and read by their keys."""

import itertools
import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from opsportal.demo.place import Item, attribute_values
from opsportal.dynamo import clients
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding

BATCH = 25  # BatchWriteItem's limit
KEYS_PER_READ = 100  # BatchGetItem's limit
WRITERS = 4


def put(table: Binding, items: Iterable[Item]) -> Iterator[int]:
    """Put the items, whatever is there under their keys; yields how many were written, as they are. Raises
    DynamoError."""
    client = clients.client(table.region, table.endpoint, background=True)
    remaining, stopped = iter(items), threading.Event()
    pool = ThreadPoolExecutor(WRITERS)
    waiting: set[Future[int]] = set()
    try:
        while True:
            while len(waiting) < 2 * WRITERS and (some := list(itertools.islice(remaining, BATCH))):
                waiting.add(pool.submit(_write, client, table, some, stopped))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield sum(future.result() for future in done)
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _write(client: Any, table: Binding, items: list[Item], stopped: threading.Event) -> int:
    """One batch, and again what DynamoDB left unprocessed, at growing intervals."""
    asked = {table.name: [{"PutRequest": {"Item": attribute_values(item)}} for item in items]}
    for attempt in itertools.count():
        with translated(table):
            asked = client.batch_write_item(RequestItems=asked).get("UnprocessedItems", {})
        if not asked:
            break
        if stopped.wait(random.uniform(0, min(5.0, 0.05 * 2**attempt))):
            break
    return len(items) - len(asked.get(table.name, []))


def read(table: Binding, keys: Sequence[str], *attributes: str) -> dict[str, Item]:
    """Those `attributes` of the items that exist, by key, as DynamoDB has them. Raises DynamoError."""
    client = clients.client(table.region, table.endpoint, background=True)
    names = {f"#{number}": name for number, name in enumerate((table.key, *attributes))}
    found: dict[str, Item] = {}
    for start in range(0, len(keys), KEYS_PER_READ):
        asked: dict[str, Any] = {
            table.name: {
                "Keys": [{table.key: {"S": key}} for key in keys[start : start + KEYS_PER_READ]],
                "ProjectionExpression": ", ".join(names),
                "ExpressionAttributeNames": names,
            }
        }
        while asked:
            with translated(table):
                answer = client.batch_get_item(RequestItems=asked)
            found |= {item[table.key]["S"]: item for item in answer["Responses"].get(table.name, [])}
            asked = answer.get("UnprocessedKeys", {})
    return found

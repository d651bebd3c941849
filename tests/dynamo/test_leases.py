"""One at a time holds a lease, and whoever held it before writes nothing under it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opsportal.dynamo.leases import Lease, Lost
from opsportal.operations.tables import jobs_table_for
from tests.operations.places import client, put, scan

KEY = {"pk": {"S": "job#1"}, "sk": {"S": "chunk#1"}}
NOW = 1_700_000_000.5


@pytest.fixture
def lease(tables: dict[str, Any]) -> Lease:
    """Of a chunk of two keys that nobody holds."""
    jobs = jobs_table_for(tables["requests"])
    put(jobs, {**KEY, "keys": {"SS": ["a", "b"]}, "done": {"N": "0"}})
    return Lease(jobs, KEY)


def stored(lease: Lease) -> dict[str, Any]:
    (item,) = (item for item in scan(lease.table) if item["pk"] == KEY["pk"])
    return item


def test_a_claim_brings_the_item_and_keeps_others_out_until_it_is_released(lease: Lease) -> None:
    first = lease.claim(60, NOW)
    assert first is not None
    assert (first.number, first.item["keys"]) == (1, {"SS": ["a", "b"]})
    assert first.item == stored(lease)
    assert lease.claim(60, NOW) is None
    first.release({"done": {"N": "2"}})
    assert stored(lease) == {**KEY, "keys": {"SS": ["a", "b"]}, "done": {"N": "2"}, "fence": {"N": "1"}}
    second = lease.claim(60, NOW)
    assert second is not None
    assert (second.number, second.item["done"]) == (2, {"N": "2"})


def test_a_lease_lapses_and_the_fence_refuses_who_held_it(lease: Lease) -> None:
    slow = lease.claim(60, NOW)
    assert slow is not None
    slow.renew(60, {"done": {"N": "1"}}, NOW + 30)
    assert lease.claim(60, NOW + 90) is None
    quick = lease.claim(60, NOW + 91)
    assert quick is not None
    assert quick.item["done"] == {"N": "1"}
    late = {"done": {"N": "9"}}
    for write in (lambda: slow.renew(60, late, NOW + 92), lambda: slow.release(late)):
        with pytest.raises(Lost):
            write()
    assert stored(lease) == quick.item


def test_an_item_that_is_gone_is_made_only_where_the_claim_says_so(lease: Lease) -> None:
    client(lease.table).delete_item(TableName=lease.table.name, Key=KEY)
    assert lease.claim(60) is None
    assert scan(lease.table) == []
    made = lease.claim(60, create=True)
    assert made is not None
    client(lease.table).delete_item(TableName=lease.table.name, Key=KEY)
    with pytest.raises(Lost):
        made.renew(60)
    assert scan(lease.table) == []


@pytest.mark.no_moto
def test_of_many_at_once_one_has_it(lease: Lease) -> None:
    barrier = threading.Barrier(4)

    def claim(_: int) -> Lease | None:
        barrier.wait(10)
        return lease.claim(60)

    with ThreadPoolExecutor(4) as pool:
        (held,) = filter(None, pool.map(claim, range(4)))
    assert stored(lease) == held.item

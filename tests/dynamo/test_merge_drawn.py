"""Merges over an index in memory: many shapes of lists, shares, budgets and crowded stamps, each walked to its end."""

import random
from collections import defaultdict

import pytest
from django.core.cache import caches

from opsportal.dynamo import merge, pages, shares
from opsportal.dynamo.merge import Merge
from opsportal.dynamo.tables import binding

HIT = ("only hits",)  # in place of clauses of a filter


class Index:
    """Answers as DynamoDB does: items (stamp, id, whether the filter keeps it) by partition, the newest first."""

    def __init__(self, items, item_units):
        self.items, self.item_units, self.calls, self.units = items, item_units, 0, 0.0

    def read(self, table, index, *, key, filters, start, **others):
        status, until = key[0].values[0], key[1].values[0] if key[1:] else "~"
        after = (start["created_at"]["S"], start["request_id"]["S"]) if start else ("~", "")
        rows = [row for row in self.items[status] if row[0] <= until and row[:2] < after][: others["Limit"]]
        wires = [
            {"created_at": {"S": at}, "request_id": {"S": key}, "status": {"S": status}}
            for at, key, _ in rows
        ]
        units = max(0.5, len(rows) * self.item_units)
        self.calls, self.units = self.calls + 1, self.units + units
        return {
            "Items": [wire for wire, row in zip(wires, rows, strict=True) if row[2] or not filters],
            "ScannedCount": len(rows),
            "ConsumedCapacity": {"CapacityUnits": units},
            **({"LastEvaluatedKey": wires[-1]} if len(rows) == others["Limit"] else {}),
        }


def drawn_items(draw, statuses):
    weights = [draw.choice([0.0, 0.01, 0.2, 1.0]) + 0.001 for _ in statuses]
    stamps, hits, items = draw.choice([3, 60, 100_000]), draw.choice([0.02, 0.5]), defaultdict(list)
    for number in range(draw.randint(0, 150)):
        row = (f"2026-{draw.randint(0, stamps):06}", f"r{number:04}", draw.random() < hits)
        items[draw.choices(statuses, weights)[0]].append(row)
    for rows in items.values():
        rows.sort(reverse=True)
    return items, stamps


@pytest.mark.parametrize("searched", ["", "filters", "keep"])
def test_a_list_of_any_shape_shows_each_item_once_at_a_bounded_cost(monkeypatch, searched):
    """A list, a search by an expression, and one by what no expression can hold."""
    table, draw, waves = binding("requests"), random.Random(11), []
    index, read, waited_more = table.spec.index("status-index"), 0, 0
    monkeypatch.setattr(pages, "SEARCH_UNITS", 12.0)
    monkeypatch.setattr(merge, "SEARCH_UNITS", 12.0)
    monkeypatch.setattr(merge, "gather", lambda calls: waves.append(calls) or [call() for call in calls])
    for _ in range(100):
        statuses = [f"s{number}" for number in range(draw.randint(1, 13))]
        items, stamps = drawn_items(draw, statuses)
        fake = Index(items, draw.choice([0.05, 0.25, 1.0]))
        monkeypatch.setattr(merge, "read", fake.read)
        caches["process"].clear()
        guess = {draw.choice([*statuses, "gone"]): draw.randint(0, 80) for _ in range(draw.randint(0, 4))}
        shares.remember(table, index, statuses, guess)
        limit, found, cursor = draw.choice([1, 5, 50]), [], ""
        hits = {row[1] for rows in items.values() for row in rows if row[2]}
        # What is in no index comes chosen already.
        outside = [(f"2026-{draw.randint(0, stamps):06}#{n}", f"o{n}") for n in range(draw.choice([0, 9]))]
        listing = Merge(
            table, index, statuses, limit=limit,
            filters=HIT if searched == "filters" else (),
            keep=(lambda row, hits=hits: row["request_id"]["S"] in hits) if searched == "keep" else None,
            outside=[
                (at, {"created_at": {"S": at}, "request_id": {"S": key}})
                for at, key in sorted(outside, reverse=True)
            ],
        )  # fmt: skip
        for _ in range(400):
            fake.calls, fake.units, waves[:] = 0, 0.0, []
            page = listing.page(purpose="x", cursor=cursor)
            found += [(row["created_at"]["S"], row["request_id"]["S"]) for row in page.items]
            if searched:
                # At least one item of each partition is read, and half a unit paid for it.
                assert fake.calls <= len(statuses) + 4
                assert fake.units <= 12 + 2 * len(statuses)
            elif stamps > 3:
                assert page.complete
                read, waited_more = read + 1, waited_more + (len(waves) > 2)
            assert not (page.cursor and page.complete) or len(page.items) == limit
            if not (cursor := page.cursor):
                break
        assert not cursor
        wanted = [row[:2] for rows in items.values() for row in rows if row[2] or not searched]
        assert sorted(found) == sorted([*wanted, *outside])
        assert [at for at, _ in found] == sorted((at for at, _ in found), reverse=True)
    assert waited_more * 20 <= read


def test_many_full_partitions_of_which_one_turns_out_to_give_the_most_take_two_waves(monkeypatch):
    table, waves = binding("requests"), []
    index, statuses = table.spec.index("status-index"), [f"s{number:02}" for number in range(13)]
    # Two of each, then one partition alone, then all of them in turn.
    order = [*statuses * 2, *["s00"] * 60, *statuses * 10]
    items = defaultdict(list)
    for number, status in enumerate(order):
        items[status].append((f"2026-{999 - number:06}", f"r{number:03}", True))
    monkeypatch.setattr(merge, "read", Index(items, 0.25).read)
    monkeypatch.setattr(merge, "gather", lambda calls: waves.append(calls) or [call() for call in calls])
    shares.remember(table, index, statuses, dict.fromkeys(statuses, 4))
    page = Merge(table, index, statuses).page(purpose="x")
    assert [row["request_id"]["S"] for row in page.items] == [f"r{number:03}" for number in range(50)]
    assert [len(wave) for wave in waves] == [13, 1]

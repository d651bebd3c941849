"""Each member of DynamoDB's own TableDescription is written as Terraform, known to be no setting, or refused.

The members are those of the botocore that is installed: one that it learns later fails here until somebody decides.
"""

import copy
import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore.model import ListShape, Shape, StructureShape

from opsportal.dynamo.deployed import Deployed, Recovery, Ttl, Unknown
from opsportal.dynamo.descriptions import description_of
from opsportal.dynamo.tables import binding
from opsportal.tables.exportable import NO_SETTING, REFUSED, WRITTEN, members
from opsportal.tables.terraform import Exported, terraform
from tests.tables.test_terraform import resources

ELSEWHERE = ("ap-south-1", "eu-west-3")
# What a member must be for the whole to make sense; the rest is made up from its type.
SENSE = {
    "BillingModeSummary.BillingMode": "PROVISIONED",
    "SSEDescription.Status": "ENABLED",
    "SSEDescription.SSEType": "KMS",
    "Replicas[].RegionName": ELSEWHERE[0],
    "Replicas[].KMSMasterKeyId": "arn:aws:kms:ap-south-1:1:key/k",
    "TableClassSummary.TableClass": "STANDARD_INFREQUENT_ACCESS",
    "Replicas[].ReplicaTableClassSummary.TableClass": "STANDARD_INFREQUENT_ACCESS",
    "MultiRegionConsistency": "STRONG",
    "GlobalTableVersion": "2019.11.21",
}
OTHERWISE = {"Replicas[].RegionName": ELSEWHERE[1], "SSEDescription.Status": "DISABLED"}


def shape() -> StructureShape:
    model = botocore.session.get_session().get_service_model("dynamodb")
    found = model.shape_for("TableDescription")
    assert isinstance(found, StructureShape)
    return found


def leaves(one: Shape, path: str = "") -> Iterator[tuple[str, Shape]]:
    """Path and shape of every member, to the last."""
    if isinstance(one, StructureShape):
        for name, inner in one.members.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(one, ListShape):
        yield from leaves(one.member, f"{path}[]")
    else:
        yield path, one


def covered_by_refusal(path: str) -> str:
    """The entry of REFUSED that the path or a structure above it is; "" without one."""
    return next(
        (entry for entry in REFUSED if path == entry or path.startswith((f"{entry}.", f"{entry}["))), ""
    )


def value(one: Shape, path: str, number: int) -> Any:
    """Something of that type; another number gives another."""
    kinds = getattr(one, "enum", None)
    if path in SENSE and number == 0:
        return SENSE[path]
    if path in OTHERWISE:
        return OTHERWISE[path]
    if kinds:
        first = SENSE.get(path, "HASH" if path.endswith("KeyType") else kinds[-1])
        return next(kind for kind in kinds if kind != first) if number else first
    if one.type_name in ("long", "integer"):
        return 20_000 + len(path) * 10 + number
    if one.type_name == "boolean":
        return number == 0
    if one.type_name == "timestamp":
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return f"arn:aws:{path}-{number}"


def full(one: Shape, path: str = "") -> Any:
    """An answer with every member but those that are refused."""
    if isinstance(one, StructureShape):
        inner = {name: (f"{path}.{name}" if path else name, part) for name, part in one.members.items()}
        return {
            name: full(part, below)
            for name, (below, part) in inner.items()
            if not covered_by_refusal(below) or below in SENSE
        }
    if isinstance(one, ListShape):
        return [full(one.member, f"{path}[]")]
    return value(one, path, 0)


def answer() -> dict[str, Any]:
    """The full one, whose indexes and table have two keys, of types of their own."""
    made: dict[str, Any] = full(shape())
    schemas = [
        made,
        *(index for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes") for index in made[kind]),
    ]
    names = []
    for number, described in enumerate(schemas):
        hash_key, range_key = ("id" if number != 1 else "h"), f"r{number}"
        described["KeySchema"] = [
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ]
        names += [hash_key, range_key]
    made["AttributeDefinitions"] = [
        {"AttributeName": name, "AttributeType": "NB"[at % 2]} for at, name in enumerate(dict.fromkeys(names))
    ]
    return made


def exported(described: dict[str, Any]) -> str:
    table = binding("agents")
    known = description_of(described, table.region)
    more: dict[str, Any] = {"ttl": Ttl("DISABLED"), "recovery": Recovery(enabled=False), "tags": {}}
    there = Deployed(**vars(known) | {"replicas": (), "deletion_protection": True}, **more)
    found = Deployed(**vars(known), **more)
    return terraform([Exported("agents", table, found, replicas=dict.fromkeys(ELSEWHERE, there))])


def put(described: Any, path: str, one: Any) -> None:
    """Set what is at the path, in the first one of each list."""
    name, _, below = path.partition(".")
    is_list = name.endswith("[]")
    name = name.removesuffix("[]")
    if not below:
        described[name] = [one] if is_list else one
        return
    inner = described.setdefault(name, [{}] if is_list else {})
    put(inner[0] if is_list else inner, below, one)


def test_every_member_of_botocores_model_is_written_or_no_setting_or_refused() -> None:
    known = dict(leaves(shape()))
    unknown = {path for path in known if path not in WRITTEN | NO_SETTING and not covered_by_refusal(path)}
    assert not unknown, "decide in opsportal/tables/exportable.py whether Terraform can hold these"
    assert known.keys() >= WRITTEN | NO_SETTING, "members that DynamoDB no longer has"
    assert {covered_by_refusal(path) for path in known} >= set(REFUSED)
    assert not WRITTEN & NO_SETTING
    assert not (WRITTEN | NO_SETTING) & REFUSED.keys()


def test_another_value_changes_the_file_or_not_or_refuses_the_table() -> None:
    """Another value of what is written gives another file, of what is no setting the same one, of the rest none."""
    read = functools.cache(resources)  # of the same file the same: to parse one takes 0.03 s
    base = answer()
    before = read(exported(base))
    for path, one in leaves(shape()):
        changed = copy.deepcopy(base)
        entry = covered_by_refusal(path)
        # What is refused is not in the answer, so that a flag of it is to be set.
        put(changed, path, value(one, path, 0 if entry and one.type_name == "boolean" else 1))
        if path == "TableClassSummary.TableClass":
            put(changed, f"Replicas[].Replica{path}", value(one, path, 1))  # another one than that is refused
        after = exported(changed)
        if entry:
            assert "resource" not in after, path
            assert entry in after.split("terraform {")[0], path
            for harmless in REFUSED[entry]:
                put(changed, path, harmless)
                assert read(exported(changed)), path
        elif path in NO_SETTING:
            assert read(after) == before, path
        else:
            assert path in WRITTEN
            assert read(after) != before, path


def test_the_full_answer_is_in_the_file_figure_by_figure() -> None:
    base = answer()
    (resource,) = resources(exported(base)).values()
    index = base["GlobalSecondaryIndexes"][0]
    assert resource["read_capacity"] == base["ProvisionedThroughput"]["ReadCapacityUnits"]
    assert resource["write_capacity"] == base["ProvisionedThroughput"]["WriteCapacityUnits"]
    assert (resource["hash_key"], resource["range_key"]) == ("id", "r0")
    assert resource["on_demand_throughput"] == [
        {
            "max_read_request_units": base["OnDemandThroughput"]["MaxReadRequestUnits"],
            "max_write_request_units": base["OnDemandThroughput"]["MaxWriteRequestUnits"],
        }
    ]
    (written,) = resource["global_secondary_index"]
    assert (written["hash_key"], written["range_key"]) == ("h", "r1")
    assert written["read_capacity"] == index["ProvisionedThroughput"]["ReadCapacityUnits"]
    assert written["warm_throughput"] == [
        {
            "read_units_per_second": index["WarmThroughput"]["ReadUnitsPerSecond"],
            "write_units_per_second": index["WarmThroughput"]["WriteUnitsPerSecond"],
        }
    ]
    (local,) = resource["local_secondary_index"]
    assert local["range_key"] == "r2"
    assert local["non_key_attributes"] == base["LocalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"]
    assert (resource["stream_enabled"], resource["stream_view_type"]) == (True, "KEYS_ONLY")
    assert resource["table_class"] == "STANDARD_INFREQUENT_ACCESS"
    assert resource["replica"] == [
        {
            "region_name": ELSEWHERE[0],
            "kms_key_arn": "arn:aws:kms:ap-south-1:1:key/k",
            "consistency_mode": "STRONG",
            "point_in_time_recovery": False,
            "deletion_protection_enabled": True,
        }
    ]
    assert resource["global_table_witness"] == [
        {"region_name": base["GlobalTableWitnesses"][0]["RegionName"]}
    ]
    assert resource["lifecycle"] == [{"prevent_destroy": True, "ignore_changes": ["warm_throughput"]}]


def test_what_a_later_botocore_says_is_refused_by_its_name() -> None:
    described = answer() | {"TimeTravel": {"Enabled": True, "Modes": ["BACK"]}, "Empty": [], "None": ""}
    text = exported(described)
    assert "resource" not in text
    assert "TimeTravel.Enabled is not known to this console; TimeTravel.Modes[] is not known" in text
    assert [path for path, _ in members({"a": {"b": [{"c": 1}, {"c": 0}]}})] == ["a.b[].c", "a.b[].c"]


def test_a_replica_that_was_not_read_and_parts_that_are_unknown_are_refused() -> None:
    table = binding("agents")
    plain = {
        name: one
        for name, one in answer().items()
        if name not in ("Replicas", "GlobalTableWitnesses", "MultiRegionConsistency")
    }
    found = description_of(plain, table.region)
    why = "The console's role may not perform dynamodb:DescribeContinuousBackups."
    more: dict[str, Any] = {"ttl": Ttl("DISABLED"), "recovery": Unknown(why, denied=True), "tags": Unknown()}
    denied = Deployed(**vars(found), **more)
    assert Exported("agents", table, denied).refused == [f"point-in-time recovery, unknown because {why}"]
    more["recovery"] = Recovery(enabled=True, days=7)
    assert Exported("agents", table, Deployed(**vars(found), **more)).refused == []
    whole = Deployed(**vars(description_of(answer(), table.region)), **more)
    assert Exported("agents", table, whole).refused == ["the replica in ap-south-1: it was not looked at"]
    days = Exported("agents", table, whole, replicas={"ap-south-1": whole}).refused
    assert days == ["the replica in ap-south-1 keeps its recovery for 7 days"]

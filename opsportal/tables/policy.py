"""The least IAM policy for a role, as what is switched on needs it: JSON or Terraform.

The actions on KMS keys: with the key that AWS owns and with the AWS managed key (``aws/dynamodb``) a caller needs
none, for the latter's key policy admits whoever may use the table. With a customer managed key DynamoDB decrypts
the table's key in the caller's name, for reads and writes alike: kms:Decrypt, by way of DynamoDB only. (AWS,
"DynamoDB encryption at rest: usage notes", and "Authorizing use of your customer managed key".)
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsportal.dynamo.aws_names import partition_of
from opsportal.tables import hcl
from opsportal.tables.grants import Feature, Found, Place, places_of
from opsportal.tables.permissions import features

# Characters without white space: of a managed policy, and of all inline policies of a role together.
MANAGED, INLINE = 6_144, 10_240


@dataclass(frozen=True)
class Key:
    """A KMS key that encrypts tables of `region`, by its ARN."""

    arn: str
    region: str


@dataclass(frozen=True)
class Statement:
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        statement = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        return statement | ({"Condition": dict(self.condition)} if self.condition else {})


def statements(
    role: str,
    account: str,
    found: Found = {},  # noqa: B006 (never changed)
    keys: Iterable[Key] = (),
    named: tuple[str, ...] = (),
) -> list[Statement]:
    """What `role` may do and no more; KeyError when there is no such role.

    `found`: the tables as deployed, where they could be described; `keys`: the customer managed keys of the role's
    tables; `named`: the foreign tables that a migrator migrates outside development, or a writer alone writes.
    """
    asked = [
        _statement(feature, account, places_of(feature, found, named)) for feature in features(role, named)
    ]
    return [statement for statement in asked if statement.resources] + list(_on_keys(keys))


def _statement(feature: Feature, account: str, locations: list[Place]) -> Statement:
    resources = dict.fromkeys(location.arn(account) for location in locations)
    return Statement(feature.sid, feature.actions, tuple(resources), feature.condition)


def _on_keys(keys: Iterable[Key]) -> Iterator[Statement]:
    by_region: dict[str, list[str]] = {}
    for key in keys:
        by_region.setdefault(key.region, []).append(key.arn)
    for region, arns in sorted(by_region.items()):
        services = [f"dynamodb.{region}.amazonaws.com"]
        if partition_of(region) == "aws-cn":
            services.append(f"dynamodb.{region}.amazonaws.com.cn")
        yield Statement(
            f"UseTableKeys{re.sub('[^A-Za-z0-9]', '', region.title())}",
            ("kms:Decrypt",),
            tuple(sorted(set(arns))),
            {"StringEquals": {"kms:ViaService": services}},
        )


def document(allowed: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement.as_json() for statement in allowed]}


def size(allowed: Iterable[Statement]) -> int:
    """Characters of a policy as IAM counts them: without white space."""
    return len(re.sub(r"\s", "", json.dumps(document(allowed), separators=(",", ":"))))


def parts(allowed: list[Statement], limit: int = MANAGED) -> list[list[Statement]]:
    """The statements as policies that each keep to the limit, in their order; one statement that alone is larger
    is divided by its resources."""
    divided: list[list[Statement]] = [[]]
    for statement in (piece for whole in allowed for piece in _pieces(whole, limit)):
        if divided[-1] and size([*divided[-1], statement]) > limit:
            divided.append([])
        divided[-1].append(statement)
    return divided


def _pieces(statement: Statement, limit: int) -> Iterator[Statement]:
    pieces = 1
    while True:
        share = -(-len(statement.resources) // pieces)
        cuts = [statement.resources[at : at + share] for at in range(0, len(statement.resources), share)]
        made = [
            Statement(f"{statement.sid}{number or ''}", statement.actions, cut, statement.condition)
            for number, cut in enumerate(cuts)
        ]
        if share == 1 or all(size([piece]) <= limit for piece in made):
            yield from made
            return
        pieces += 1


def terraform(role: str, divided: list[list[Statement]]) -> str:
    """The policies as Terraform: a document and a managed policy for each part, to be attached to a role."""
    blocks = []
    for number, allowed in enumerate(divided, 1):
        name = f"opsportal_{role}" + (f"_{number}" if len(divided) > 1 else "")
        blocks.append(
            hcl.Block(f'data "aws_iam_policy_document" "{name}"', blocks=list(map(_block, allowed)))
        )
        policy = {
            "name": hcl.quoted(name.replace("_", "-")),
            "policy": f"data.aws_iam_policy_document.{name}.json",
        }
        blocks.append(hcl.Block(f'resource "aws_iam_policy" "{name}"', policy))
    return hcl.document(blocks)


def _block(statement: Statement) -> hcl.Block:
    said = {
        "sid": hcl.quoted(statement.sid),
        "actions": hcl.lines_of(statement.actions),
        "resources": hcl.lines_of(statement.resources),
    }
    conditions = [
        {"test": hcl.quoted(test), "variable": hcl.quoted(variable), "values": hcl.texts(wanted)}
        for test, variables in statement.condition.items()
        for variable, wanted in variables.items()
    ]
    return hcl.Block("statement", said, [hcl.Block("condition", condition) for condition in conditions])

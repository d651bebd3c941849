"""The errors of DynamoDB as all callers get them: `exceptions`, with what is known of the table's key and indexes."""

from contextlib import AbstractContextManager

from opsportal.dynamo import exceptions, structure
from opsportal.dynamo.exceptions import *  # noqa: F403
from opsportal.dynamo.tables import Binding

ADVICE = exceptions.Advice(structure.key_mismatch, structure.described_mismatch)


def translated(table: Binding) -> AbstractContextManager[None]:
    """Raise a `DynamoError` in place of botocore's and PynamoDB's errors about `table`; see `exceptions.translating`."""
    return exceptions.translating(table, ADVICE)

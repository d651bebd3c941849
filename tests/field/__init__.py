"""The console beside programs as they are in the field: stand-ins that write what the real ones were seen to write."""

from typing import Any

import boto3

from opsportal.dynamo.tables import Binding


def resource_table(binding: Binding) -> Any:
    """The table as a program has it that uses boto3's resources: plain values, and no float."""
    return boto3.resource(
        "dynamodb",
        region_name=binding.region,
        endpoint_url=binding.endpoint or None,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).Table(binding.name)

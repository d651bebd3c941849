"""Writing of calls whose arguments are as the wire has them but for bytes, as all are that the console builds itself.

botocore walks every attribute value through its shapes to find the bytes, which is half of its time for a large
transaction. Takes the place of a client's private serializer; tests/dynamo/test_serializing.py compares what it writes.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from botocore.serialize import JSONSerializer


class PlainSerializer(JSONSerializer):
    def serialize_to_request(self, parameters: Mapping[str, Any], operation_model: Any) -> Any:
        request: Any = super().serialize_to_request({}, operation_model)
        return {**request, "body": json.dumps(parameters, default=_written).encode()}


def _written(value: Any) -> str:
    if not isinstance(value, bytes | bytearray):
        raise TypeError(f"A call holds {type(value).__name__}.")
    return base64.b64encode(value).decode("ascii")

"""AWS's names: the partition of a region, the ARNs in it, and which hosts are AWS's own.

The one place that makes ARNs: in China, GovCloud and the isolated regions they begin otherwise than with ``arn:aws:``,
and IAM refuses the wrong ones as malformed.
"""

import functools
import re
from urllib.parse import urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError

# us-east-1, us-gov-west-1, eusc-de-east-1: as a part of a host's name.
_REGION = r"[a-z]{2,4}(-[a-z]+)+-\d+"
_QUEUE_HOST = re.compile(rf"(^|\.)sqs(-fips)?\.(?P<new>{_REGION})\.|^(?P<old>{_REGION})\.queue\.amazonaws\.")


@functools.lru_cache(maxsize=64)
def partition_of(region: str) -> str:
    """``aws``, ``aws-cn``, ``aws-us-gov``, ...: the second part of the ARNs of a region; ``aws`` where the
    region is not known."""
    try:
        return str(botocore.session.Session().get_partition_for_region(region))
    except BotoCoreError:
        return "aws"


def arn(service: str, region: str, account: str, resource: str) -> str:
    """``arn:<the region's partition>:<service>:<region>:<account>:<resource>``."""
    return f"arn:{partition_of(region)}:{service}:{region}:{account}:{resource}"


def is_amazons(endpoint: str) -> bool:
    """Whether an endpoint is AWS's own, of whatever partition, a VPC endpoint's name included."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    return any(host == suffix or host.endswith(f".{suffix}") for suffix in _suffixes())


@functools.cache
def _suffixes() -> tuple[str, ...]:
    partitions = botocore.session.Session().get_component("data_loader").load_data("partitions")["partitions"]
    outputs = [partition["outputs"] for partition in partitions]
    return tuple({output[name] for output in outputs for name in ("dnsSuffix", "dualStackDnsSuffix")})


def region_of_queue(queue_url: str) -> str:
    """The region in a queue's URL (https://sqs.<region>.amazonaws.com/..., also sqs-fips, a VPC endpoint's, another
    partition's, or the old https://<region>.queue.amazonaws.com/...); "" where it names none."""
    found = _QUEUE_HOST.search(urlsplit(queue_url).hostname or "")
    return (found["new"] or found["old"]) if found else ""

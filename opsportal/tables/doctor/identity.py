"""Who asks AWS, where, and at what time: credentials, regions, the clock."""

import os
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.aws import ServiceTrouble, Signer, asking, is_emulated, service, signer
from opsportal.dynamo.sessions import CREDENTIALS
from opsportal.dynamo.tables import Binding, aws_region, bindings
from opsportal.tables.doctor.findings import FAIL, NOTE, OK, UNKNOWN, Finding

GIVE = (
    "Give the console's process credentials by the usual AWS chain: a role, a profile (AWS_PROFILE), or "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
RENEW = "Renew them (aws sso login, or a new session) and restart the console."
# Signature version 4 is refused from five minutes on.
REFUSED, WORTH_A_NOTE = timedelta(minutes=5), timedelta(seconds=30)


def credentials() -> list[Finding]:
    """Whether there are any, and of what kind; nothing of them is shown but the ends of the access key's id."""
    area = "credentials"
    try:
        found = signer()
    except ServiceTrouble as problem:
        return [Finding(area, FAIL, "No usable AWS credentials.", problem.why, GIVE)]
    if found is None:
        profile = os.environ.get("AWS_PROFILE", "")
        why = f"The profile {profile} has none." if profile else "The AWS chain has none."
        return [Finding(area, FAIL, "There are no AWS credentials.", why, GIVE)]
    if found.expires and found.expires <= datetime.now(UTC):
        return [
            Finding(
                area, FAIL, f"{_described(found)}: expired at {found.expires:%Y-%m-%d %H:%M:%SZ}.", "", RENEW
            )
        ]
    return [Finding(area, OK, _described(found))]


def _described(found: Signer) -> str:
    kind = "a session's" if found.temporary else "a user's, without end"
    ends = f", until {found.expires:%Y-%m-%d %H:%M:%SZ}" if found.expires else ""
    return f"{found.key} from {found.source} ({kind}{ends})"


def caller() -> tuple[str, list[Finding]]:
    """The account ("" where it is unknown), and whose the credentials are, by STS."""
    area = "credentials"
    try:
        with asking("sts:GetCallerIdentity", "every region"):  # the profile may not exist
            real = [table for table in bindings() if not is_emulated(table, "sts")]
        if not real:
            why = "Every table is at an endpoint that is not Amazon's, so AWS was not asked."
            return "", [Finding(area, UNKNOWN, "The account is unknown here.", why)]
        with asking("sts:GetCallerIdentity", real[0].region):
            said = service("sts", real[0].region).get_caller_identity()
    except ServiceTrouble as problem:
        if problem.why in CREDENTIALS.values():
            return "", [Finding(area, FAIL, "AWS does not accept them.", problem.why, RENEW)]
        # A network without a way to STS may well have one to DynamoDB.
        return "", [Finding(area, UNKNOWN, "The account is unknown.", problem.why)]
    account, arn = str(said["Account"]), str(said["Arn"])
    if arn.endswith(":root"):
        return account, [
            Finding(
                area, NOTE, f"{arn}, account {account}",
                "These are the account's root credentials: they may do "
                "anything, and no policy limits them.", "Use a role with the policy that manage.py dynamo policy prints.",
            )
        ]  # fmt: skip
    return account, [Finding(area, OK, f"{arn}, account {account}")]


def regions() -> list[Finding]:
    """Where each table is looked for, and which setting says so."""
    tables: dict[tuple[str, str], list[str]] = {}
    for table in bindings():
        tables.setdefault((table.region, region_source(table)), []).append(table.logical)
    return [
        Finding("region", OK, f"{region} by {source}: {', '.join(names)}")
        for (region, source), names in tables.items()
    ]


def region_source(table: Binding) -> str:
    """What decided the region of a table of the settings."""
    if settings.DYNAMO_TABLES[table.logical]["region"]:
        return f"DYNAMODB_{table.logical.upper()}_REGION"
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(variable):
            return variable
    if aws_region():
        return f"the profile {os.environ.get('AWS_PROFILE') or 'default'}"
    return "the table's default"


def clock(skew: timedelta | None) -> Finding:
    """`skew`: how far this machine's clock is ahead of AWS's; None where no answer had a date."""
    area = "clock"
    if skew is None:
        return Finding(area, UNKNOWN, "No answer had the server's time.")
    seconds = abs(skew.total_seconds())
    said = f"{seconds:.0f} s {'ahead of' if skew > timedelta() else 'behind'} DynamoDB's"
    fix = "Set the machine's clock by NTP (timedatectl set-ntp true, or chronyd)."
    if abs(skew) >= REFUSED:
        return Finding(area, FAIL, said, "AWS refuses signatures that are five minutes off.", fix)
    if abs(skew) > WORTH_A_NOTE:
        return Finding(area, NOTE, said, "AWS refuses signatures from five minutes on.", fix)
    return Finding(area, OK, "right to half a minute")

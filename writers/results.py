"""What a call to a writer answers, what can go wrong, and whether it passes by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from botocore import exceptions

# Refused for good: DynamoDB's own words for a call that can never succeed. Any other error passes, or someone has to
# fix what is in the way, so that no record is given up for what a proxy or another service says.
_REFUSED_CODES = frozenset(
    {
        "ConditionalCheckFailedException",
        "ItemCollectionSizeLimitExceededException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)
# Denied: credentials, rights, or a table that is not there. Someone has to fix it; then the call succeeds.
_DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED_ERRORS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
)


class WriteError(Exception):
    """Something could not be recorded."""


class StatusWriteError(WriteError):
    """A workflow's status could not be recorded."""


class RequestWriteError(WriteError):
    """A request could not be claimed, or its progress could not be recorded."""


class Contended(WriteError):
    """Other writers changed the item too many times in a row; it passes."""


class NoAnswer(WriteError):
    """DynamoDB has not answered, whatever else has; it passes."""


class ConditionFailed(Exception):
    """DynamoDB has found a write's condition not met."""


class StillAway(Exception):
    """A replay has to wait."""


class SpoolFull(Exception):
    """The spool has reached its bound."""


class Stopped(Exception):
    """The work is no longer this program's: stop it. ``reason`` says what the item is now."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Cancelled(Stopped):
    """An operator has cancelled it."""


class TakenAway(Stopped):
    """It is finished, gone, or another worker has it."""


Outcome = Literal["written", "unchanged", "buffered", "spooled", "superseded", "refused", "missing", "failed"]


@dataclass(frozen=True)
class WriteResult:
    """What became of a call; true when the item says what the call wanted it to say, or will.

    ``written``, ``unchanged``: it says so now, by DynamoDB's own answer. ``buffered``: a progress that is written with the next one.
    ``spooled``: kept on disk until DynamoDB is back. ``superseded``: only when replayed, what the item says
    is newer. ``refused``: the workflow is finished, or the work was taken away. ``missing``: no such item.
    ``failed``: see ``reason``. ``cancelled``: it was found cancelled, whatever the outcome.
    """

    outcome: Outcome
    reason: str = ""
    cancelled: bool = False

    def __bool__(self) -> bool:
        return self.outcome in ("written", "unchanged", "buffered", "spooled")


@dataclass(frozen=True)
class Trouble:
    """Something that someone should know of.

    ``kind``: ``away`` (DynamoDB, or the way to it; another answers in its place), ``denied`` (credentials, rights, no such table: mend it),
    ``poison`` (a spooled record that can't be written, now in the quarantine file), ``full`` (the spool's
    bound is reached), ``disk`` (the spool itself fails) or ``mistake`` (DynamoDB refuses the call, or we do).
    Of the last three, and of ``away`` and ``denied`` without a spool, the record is lost.
    """

    kind: Literal["away", "denied", "poison", "full", "disk", "mistake"]
    sentence: str
    item: str = ""


# Called while the item is locked: it must not call the writer itself.
OnTrouble = Callable[[Trouble], None]


def kind_of(error: BaseException) -> Literal["away", "denied", ""]:
    """Whether the same call can succeed later: ``away``, ``denied``, or "" for a mistake in the call."""
    if isinstance(error, exceptions.ClientError):
        code = error.response.get("Error", {}).get("Code")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        if code in _DENIED_CODES:
            return "denied"
        return "" if code in _REFUSED_CODES and status < 500 else "away"
    if isinstance(error, _DENIED_ERRORS):
        return "denied"
    if isinstance(error, exceptions.ParamValidationError):
        return ""
    return "away" if isinstance(error, (exceptions.BotoCoreError, NoAnswer, Contended)) else ""

"""Who acts, by an id that never goes to another: ``user:<pk>``, ``token:<pk>``, ``worker``, ``command``.

A name can be changed, and used again by another. Whatever records who acted holds the id and the name at that
time; here is what the ids stand for now. Keys are never reused, see `sequences`.
"""

import re
from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User

from opsportal.accounts.ids import COMMAND, WORKER, token_id, user_id
from opsportal.accounts.tokens import ApiToken

__all__ = ["COMMAND", "PROGRAMS", "WORKER", "token_id", "user_id"]

PROGRAMS = (WORKER, COMMAND)
# More digits are no key of ours, and more than a database can compare.
_ID = re.compile(r"(user|token):([1-9][0-9]{0,9})")
_VIA_TOKEN = re.compile(r"(\S+) via token (\S+)")
_SERVICE = re.compile(r"service (\S+)")
# Tokens of one name that a search by that name takes, the newest.
MAX_HOLDERS = 20


def is_id(text: str) -> bool:
    """Whether text may be the id of an actor, of one that is gone too."""
    return text in PROGRAMS or bool(_ID.fullmatch(text))


def names_now(ids: Iterable[str]) -> dict[str, str]:
    """The name that each account and token has now; what is gone is missing. At most one query of each kind."""
    keys: dict[str, set[int]] = {"user": set(), "token": set()}
    for one in ids:
        if found := _ID.fullmatch(one):
            keys[found[1]].add(int(found[2]))
    names: dict[str, str] = {}
    if keys["user"]:
        users = User.objects.filter(pk__in=keys["user"]).values_list("pk", "username")
        names |= {f"user:{pk}": name for pk, name in users}
    if keys["token"]:
        tokens = ApiToken.objects.filter(pk__in=keys["token"]).select_related("owner")
        names |= {token_id(token): token.actor_name for token in tokens}
    return names


def person_of(actor_id: str) -> str:
    """The id of the person who acts: of a token its owner's. "" where no person does: a service, a program, or a token that
    is gone."""
    kind, _, key = actor_id.partition(":") if _ID.fullmatch(actor_id) else ("", "", "")
    if kind != "token":
        return actor_id if kind else ""
    token = ApiToken.objects.filter(pk=key).select_related("owner").first()
    return user_id(token.owner) if token and token.owner else ""


def since(actor_id: str, name: str, now: Mapping[str, str]) -> str:
    """What became of who is recorded as `name`: "now otto", "owner now otto" of a token, "account deleted",
    "recorded by name only", "unknown id", or "". `now`: see `names_now`."""
    if not actor_id:
        return "recorded by name only"
    if actor_id in PROGRAMS:
        return ""
    if not _ID.fullmatch(actor_id):
        return "unknown id"  # no console of this version wrote it
    if actor_id not in now:
        return "account deleted"  # a token goes with its owner's account, and not before
    if now[actor_id] == name:
        return ""
    # A token keeps its own name; that of its owner changes.
    owner = _VIA_TOKEN.fullmatch(now[actor_id])
    return f"owner now {owner[1]}" if owner else f"now {now[actor_id]}"


def sayings(recorded: Iterable[tuple[str, str]]) -> list[str]:
    """`since` of each (id, name), with the queries of one."""
    pairs = list(recorded)
    now = names_now(actor_id for actor_id, _ in pairs)
    return [since(actor_id, name, now) for actor_id, name in pairs]


def holders(name: str) -> list[str]:
    """The ids of who has that name now: an account, or the tokens of that name, the newest first (one that was
    revoked keeps its name, which another may have)."""
    if not name.isprintable():  # no name is so, and PostgreSQL refuses to look for a NUL
        return []
    if via := _VIA_TOKEN.fullmatch(name):
        tokens = ApiToken.objects.filter(owner__username=via[1], name=via[2])
    elif service := _SERVICE.fullmatch(name):
        tokens = ApiToken.objects.filter(owner=None, name=service[1])
    else:
        users = User.objects.filter(username=name).values_list("pk", flat=True)
        return [f"user:{pk}" for pk in users]
    return [f"token:{pk}" for pk in tokens.order_by("-pk").values_list("pk", flat=True)[:MAX_HOLDERS]]

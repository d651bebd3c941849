"""The ids of who acts: ``user:<pk>``, ``token:<pk>``, ``worker``, ``command``. See `actors` for what they stand for."""

from django.db.models import Model

# The worker's own doing, and that of a command: who types one has no account here.
WORKER, COMMAND = "worker", "command"


def user_id(user: Model) -> str:
    return f"user:{user.pk}"


def token_id(token: Model) -> str:
    return f"token:{token.pk}"

"""What follows from the name of an environment (OPSPORTAL_ENV), which is also the prefix of its tables' names."""

import re

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
# A person's own machine. Every other environment has data, or accounts, that somebody may want.
RELAXED = frozenset({"dev", "local"})
COLOURS = ("grey", "amber", "red")
_LIVE = re.compile("prod|prd|live")


def is_strict(environment: str) -> bool:
    """Whether insecure settings are refused, cookies need HTTPS, other programs' tables are left alone unless they
    are named, and what deletes asks for the environment's name."""
    return environment not in RELAXED


def is_live(environment: str) -> bool:
    """Whether its name says that it is in production."""
    return bool(_LIVE.search(environment))


def colour_of(environment: str) -> str:
    """One of `COLOURS`, for the stripe and the badge on every page."""
    if not is_strict(environment):
        return "grey"
    return "red" if is_live(environment) else "amber"

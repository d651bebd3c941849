"""Times as the requests table writes them: in the form that the item has, so that string order stays true."""

from dataclasses import replace
from datetime import datetime

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.timestamp_form import DOCUMENTED, TimestampForm


def stamp(moment: datetime, like: Typed | None = None) -> Typed:
    """In the form of `like`, a stamp of the item, or else in seed 002's (docs/data.md): naive, with microseconds. Where `like` has
    no decimals it gets them: two writes of one second would else be one to those who compare stamps."""
    form = TimestampForm.from_value(like) or DOCUMENTED
    return (form if form.digits else replace(form, digits=DOCUMENTED.digits)).written(moment)


def written(moment: datetime, like: Typed | None = None) -> str:
    """As `stamp`, as text."""
    value = stamp(moment, like)
    return str(value.get("S") or value["N"])

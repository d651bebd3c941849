"""Times as the registry writes them: epoch milliseconds, or whatever form the agent's item has."""

from dataclasses import replace
from datetime import datetime

from opsportal.dynamo.attributes import Typed
from opsportal.dynamo.timestamp_form import TimestampForm


def milliseconds(moment: datetime) -> Typed:
    return {"N": str(int(moment.timestamp() * 1000))}


def written(moment: datetime, like: Typed | None = None) -> Typed:
    """In the form of `like`, the stamp that the item has: ISO text with a zone or without, seconds, or else
    milliseconds, as number or digits."""
    form = TimestampForm.from_value(like)
    if form is None:
        if like is None or "S" not in like:
            return milliseconds(moment)
        form = TimestampForm(digits=3)
    # Two heartbeats of one second would else be one to those who compare them.
    return (form if form.digits or form.unit else replace(form, digits=3)).written(moment)

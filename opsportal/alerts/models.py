"""What the alerts keep. No data of the tables is in here but ids and the first lines of errors."""

from opsportal.alerts.changes import Change
from opsportal.alerts.deliveries import Attempt, Delivery
from opsportal.alerts.rules import Firing, Rule
from opsportal.alerts.webhooks import Webhook

__all__ = ["Attempt", "Change", "Delivery", "Firing", "Rule", "Webhook"]

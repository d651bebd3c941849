"""What the outbox carries out for workflows: commands to the orchestrators."""

from django.conf import settings

from opsportal.aws import send_message
from opsportal.dynamo.tables import Binding
from opsportal.operations import outbox
from opsportal.operations.outbox import Message


@outbox.handles("workflows.command")
def send_command(message: Message, table: Binding) -> None:
    """Put a command into the queue that the orchestrators read."""
    send_message(settings.WORKFLOW_COMMANDS_QUEUE_URL, {**message.body, "action_id": message.action_id})

"""The queues of `make run`: ``python -m opsportal.run.queues PORT``, SQS on loopback by moto, in memory.

What accepts connections has the queues already: they are made before the server listens.
"""

import logging
import sys

# The settings that name a queue, and the queue that each gets.
QUEUES = {"REQUESTS_QUEUE_URL": "requests", "WORKFLOW_COMMANDS_QUEUE_URL": "workflow-commands"}
REGION = "us-east-1"
# What stands in a queue's URL for the account; moto looks at the name alone.
ACCOUNT = "123456789012"


def command(port: int) -> list[str]:
    """The command line that serves the queues on loopback ``port``."""
    return [sys.executable, "-m", "opsportal.run.queues", str(port)]


def queue_urls(endpoint: str) -> dict[str, str]:
    """Setting -> URL of its queue."""
    return {setting: f"{endpoint}/{ACCOUNT}/{name}" for setting, name in QUEUES.items()}


def main(port: int) -> None:
    # Not at the top: the program that starts this one reads the names above, and need not load moto.
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
    from moto.sqs.models import sqs_backends
    from werkzeug.serving import run_simple

    for name in QUEUES.values():
        sqs_backends[DEFAULT_ACCOUNT_ID][REGION].create_queue(name)
    # Queues are asked every second or so: a line for each would fill the disk.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = create_backend_app("sqs")
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main(int(sys.argv[1]))

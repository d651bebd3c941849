"""What the web server's master loads before it forks its workers, so that they share it and none has to load it."""

from pathlib import Path


def warm() -> None:
    """Load the addresses, the templates and botocore's data. Afterwards no connection is open, nobody's credentials have
    been looked for, and no thread runs. Nothing where another application than the console is served."""
    from django.apps import apps

    if not apps.ready:
        return
    from django.conf import settings
    from django.db import connections
    from django.template.loader import get_template
    from django.urls import reverse

    from opsportal.dynamo import sessions

    sessions.load_data()  # first: what is let go of it again, the templates fill
    reverse("overview")
    folder = Path(settings.BASE_DIR) / "templates"
    for template in folder.rglob("*.html"):
        get_template(str(template.relative_to(folder)))
    connections.close_all()

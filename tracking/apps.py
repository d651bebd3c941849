from django.apps import AppConfig
from django.urls import reverse


class TrackingConfig(AppConfig):
    name = "tracking"
    verbose_name = "Workflows"

    def ready(self) -> None:
        from opsportal.operations.subjects import Subject, register
        from opsportal.tables import ages
        from tracking import (  # importing registers the outbox's handler
            actions,
            outgoing,  # noqa: F401
            queries,
            watches,
        )

        register(
            Subject(
                name="workflow",
                logical="workflows",
                title="Workflow",
                stamp="lastUpdated",
                undo_permission="tracking.purge_workflows",
                item_url=lambda key: reverse("tracking:item", args=[key]),
                note_of_undo=actions.note_of_undo,
            )
        )
        watches.register_all()
        ages.register(ages.Watched(queries.SAMPLED, queries.statuses))

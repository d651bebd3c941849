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
            marking,
            outgoing,  # noqa: F401
            queries,
            watches,
        )
        from tracking.statuses import terminal_statuses

        register(
            Subject(
                name="workflow",
                logical="workflows",
                title="Workflow",
                stamp="lastUpdated",
                undo_permissions={
                    "purge": "tracking.purge_workflows",
                    "fail": "tracking.fail_workflows",
                    "complete": "tracking.complete_workflows",
                },
                item_url=lambda key: reverse("tracking:item", args=[key]),
                note_of_undo=actions.note_of_undo,
                renewed=marking.renewed,
            )
        )
        watches.register_all()
        ages.register(ages.Watched(queries.SAMPLED, queries.statuses, terminal_statuses))

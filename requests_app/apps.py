from django.apps import AppConfig
from django.urls import reverse


class RequestsConfig(AppConfig):
    name = "requests_app"
    verbose_name = "Requests"

    def ready(self) -> None:
        from opsportal.operations.subjects import Subject, register
        from opsportal.tables import ages
        from opsportal.tables.retention import rules
        from requests_app import outgoing, queries, watches
        from requests_app.retention import RULE

        register(
            Subject(
                name="request",
                logical="requests",
                title="Request",
                stamp="updated_at",
                undo_permission="requests_app.purge_requests",
                item_url=lambda key: reverse("requests:item", args=[key]),
                note_of_undo=outgoing.note_of_undo,
            )
        )
        watches.register_all()
        rules.register(RULE)
        ages.register(ages.Watched(queries.SAMPLED, queries.statuses))

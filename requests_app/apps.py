from django.apps import AppConfig
from django.urls import reverse


class RequestsConfig(AppConfig):
    name = "requests_app"
    verbose_name = "Requests"

    def ready(self) -> None:
        from opsportal.operations.subjects import Subject, register
        from opsportal.tables import ages
        from opsportal.tables.retention import rules
        from requests_app import dialects, marking, outgoing, queries, watches
        from requests_app.retention import RULE
        from requests_app.statuses import terminal_statuses

        register(
            Subject(
                name="request",
                logical="requests",
                title="Request",
                stamp="updated_at",
                undo_permissions={
                    "purge": "requests_app.purge_requests",
                    "fail": "requests_app.fail_requests",
                    "complete": "requests_app.complete_requests",
                },
                item_url=lambda key: reverse("requests:item", args=[key]),
                note_of_undo=outgoing.note_of_undo,
                renewed=marking.renewed,
                history=("processing_metadata", "status_history"),
                record_undo=marking.record_undo,
            )
        )
        dialects.check()
        watches.register_all()
        rules.register(RULE)
        ages.register(ages.Watched(queries.SAMPLED, queries.statuses, terminal_statuses))

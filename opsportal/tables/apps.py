from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "opsportal.tables"
    verbose_name = "Tables"

    def ready(self) -> None:
        from opsportal.operations.tasks import register
        from opsportal.tables import ages
        from opsportal.tables.retention import chore as retention

        register(ages.TASK)
        register(retention.TASK)

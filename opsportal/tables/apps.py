from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "opsportal.tables"
    verbose_name = "Tables"

    def ready(self) -> None:
        from opsportal.operations.worker import CHORES
        from opsportal.tables import ages
        from opsportal.tables.retention.chore import chore

        CHORES["retention"] = chore
        CHORES["ages"] = ages.chore

from django.apps import AppConfig


class TablesConfig(AppConfig):
    name = "opsportal.tables"
    verbose_name = "Tables"

"""What the tables themselves bring to the console."""

from opsportal.accounts.roles import OPERATOR
from opsportal.console import views
from opsportal.descriptors import AppDescriptor, Page, Panel

DESCRIPTOR = AppDescriptor(
    page=Page("Tables", "table", "tables:list", "tables.view_tables", "/tables/"),
    urls="opsportal.tables.urls",
    panel=Panel(
        "tables",
        "Tables",
        "console/panel-tables.html",
        views.table_figures,
        views.shown_tables,
        views.tables_location,
        list_url_name="tables:list",
        list_permission="tables.view_tables",
        about="as deployed",
    ),
    grants={OPERATOR: ("tables.view_tables",)},
)

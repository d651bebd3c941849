"""What the tables themselves bring to the console."""

from opsportal.accounts.roles import OPERATOR
from opsportal.console.views import tables_panel
from opsportal.descriptors import AppDescriptor, Page, Panel

DESCRIPTOR = AppDescriptor(
    page=Page("Tables", "table", "tables:list", "tables.view_tables", "/tables/"),
    urls="opsportal.tables.urls",
    panel=Panel("tables", "Tables", tables_panel),
    grants={OPERATOR: ("tables.view_tables",)},
)

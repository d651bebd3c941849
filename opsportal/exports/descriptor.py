"""What the export of lists brings to the console."""

from opsportal.accounts.roles import OPERATOR
from opsportal.descriptors import AppDescriptor, Scope
from opsportal.exports.exportable import EXPORT_LISTS

DESCRIPTOR = AppDescriptor(
    grants={OPERATOR: (EXPORT_LISTS,)},
    scopes=(Scope("lists:export", "Export lists as CSV and NDJSON", (EXPORT_LISTS,)),),
    labels={"export_id": "", "columns": "Columns", "bom": "For Excel", "kind": "Format"},
)

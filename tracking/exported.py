"""The list of workflows as an export."""

from opsportal.exports.exportable import Exportable
from tracking import queries
from tracking.columns import COLUMNS, rows_of

EXPORT = Exportable(
    "workflows",
    "Workflows",
    "workflows",
    "tracking.view_workflows",
    COLUMNS,
    queries.chosen,
    rows_of,
    queries.SAMPLED.moment,
)

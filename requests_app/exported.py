"""The list of requests as an export."""

from opsportal.exports.exportable import Exportable
from requests_app import queries
from requests_app.columns import COLUMNS, rows_of

EXPORT = Exportable(
    "requests",
    "Requests",
    "requests",
    "requests_app.view_requests",
    COLUMNS,
    queries.chosen,
    rows_of,
    queries.SAMPLED.moment,
)

"""Creates the console's own audit table in every place."""

from opsportal.dynamo.migrations import CreateOwnTable
from opsportal.operations.tables import AUDIT

migration = CreateOwnTable(AUDIT)

"""Creates the console's own jobs table in every place."""

from opsportal.dynamo.migrations import CreateOwnTable
from opsportal.operations.tables import JOBS

migration = CreateOwnTable(JOBS)

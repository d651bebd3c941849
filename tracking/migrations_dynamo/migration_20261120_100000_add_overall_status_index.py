"""Adds the optional index that lists workflows by status, newest first, without a scan."""

from opsportal.dynamo.migrations import AddIndex

migration = AddIndex("workflows", "overallStatus-createdAt-index")

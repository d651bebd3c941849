"""Creates the workflow status table (seed 000)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("workflows")

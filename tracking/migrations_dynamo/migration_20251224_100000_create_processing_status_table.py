"""Creates the workflow status table (seed 000 of docs/data.md)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("workflows")

"""Creates the agent registry table (seed 004 of docs/data.md)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("agents")

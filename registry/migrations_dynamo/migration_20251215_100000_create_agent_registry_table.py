"""Creates the agent registry table (seed 004)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("agents")

"""Creates the requests table with its four indexes (seed 001)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("requests")

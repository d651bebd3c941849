"""Creates the processing logs table with its index (seed 001)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("request_logs")

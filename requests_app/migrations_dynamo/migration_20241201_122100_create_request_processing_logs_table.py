"""Creates the processing logs table with its index (seed 001 of docs/data.md)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("request_logs")

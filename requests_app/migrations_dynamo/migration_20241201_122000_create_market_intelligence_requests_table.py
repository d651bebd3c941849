"""Creates the requests table with its four indexes (seed 001 of docs/data.md)."""

from opsportal.dynamo.migrations import CreateTable

migration = CreateTable("requests")

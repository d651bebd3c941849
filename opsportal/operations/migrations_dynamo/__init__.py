"""Table migrations of the console's own tables; see `opsportal.dynamo.migrations`."""

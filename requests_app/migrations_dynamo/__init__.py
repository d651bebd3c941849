"""Table migrations of this app; see `opsportal.dynamo.migrations`."""

"""The JSON API: what its operations share. Each app's own are in its `api` module."""

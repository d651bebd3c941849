"""Retention: finished and old items get an expiry, and DynamoDB's TTL deletes them.

Seed 002 of docs/data.md leaves ``ttl`` to somebody; by setting, that is the worker. It stamps, never deletes: an item is
deleted `RETENTION_GRACE_DAYS` later, unless it comes to life again or somebody keeps it.
"""

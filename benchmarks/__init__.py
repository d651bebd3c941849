"""Measurements, each against a floor of the same run: docs/benchmarks.md. ``python -m benchmarks`` is `make bench`."""

"""Engines: what decides when and where `advance(task)` runs."""

"""Runtimes: what executes a model version."""

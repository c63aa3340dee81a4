"""Logs, cost and, later, traces and metrics of what runs."""

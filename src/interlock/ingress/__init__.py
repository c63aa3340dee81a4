"""Ingress: how events come in, and how they and callbacks go out.

`signatures` signs what is delivered and verifies what arrives (Standard Webhooks).
"""

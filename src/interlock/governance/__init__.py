"""Governance: who may do what, and the proof of what was done.

Policy as code (`policies`, `facts`, `decide`, `cases`; the shipped rules are in `base/`), and the append-only log that
shows that no record changed (`merkle`, `checkpoints`).
"""

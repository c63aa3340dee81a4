"""The roles of a deployment, and the command that runs one."""

from __future__ import annotations

import sys
from typing import Final

API: Final = "api"
WORKER: Final = "worker"
RELAY: Final = "relay"
ROLES: Final = (API, WORKER, RELAY)
# A module of its own, since it imports the whole product, which `interlock --help` must not.
SERVE_MODULE: Final = "interlock.serve"


def serve_argv(role: str) -> list[str]:
    """Give the command that runs a role in this Python; `-P` keeps the working folder out of the import path."""
    return [sys.executable, "-P", "-m", SERVE_MODULE, role]

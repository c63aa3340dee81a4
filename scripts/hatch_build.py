"""Hatch's hook: a wheel brings the console built, so that its user needs no Node. An editable install is left as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface[Any]):
    """Runs `scripts/build_console.py` before a wheel is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the console; raises CalledProcessError, and so fails the build, where that fails."""
        if version == "editable":
            return
        script = Path(self.root) / "scripts" / "build_console.py"
        subprocess.run([sys.executable, str(script)], check=True)

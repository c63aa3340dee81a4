"""What the children of `test_child_pool.py` do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlock.infra.child import GiveUp, Handler


def handler(config: Mapping[str, Any]) -> Handler:
    async def waited(value: Any) -> Any:
        return value

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        match body["do"]:
            case "echo":
                print("printed to standard output")
                return {"body": body, "sizes": {name: len(data) for name, data in files.items()}, "config": config}
            case "await":
                return waited("awaited")
            case "environment":
                return sorted(os.environ)
            case "raise":
                raise KeyError("broken")
            case "raise nothing":
                error = MemoryError()
                error.add_note("while reading page 1")
                raise error
            case "give up":
                raise GiveUp("no use", kind="Hopeless")
            case "die":
                os._exit(3)
            case "sleep":
                grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
                Path(body["pids"]).write_text(f"{os.getpid()} {grandchild.pid}")
                time.sleep(600)
            case "set":
                return {1, 2}
        return None

    return run

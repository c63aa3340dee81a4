"""Write which model versions come with the product: `python scripts/write_shipped_models.py` (`--check` only compares).

The list is part of the package. A version in it, to the byte, is released in each tenant in the installation's name, on record; every
other one has to be approved there. `tests/unit/test_registry.py` fails where the list is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from interlock.serving import registry

REPOSITORY = Path(__file__).resolve().parents[1]
FILE = REPOSITORY / "src" / "interlock" / "serving" / registry.SHIPPED_FILE


def text() -> str:
    """Give the list as JSON: digest by AUTOMATION/MODEL."""
    automations = sorted(p.parent for p in (REPOSITORY / "automations").glob("*/automation.toml"))
    found = {f"{a.name}/{name}": m.digest for a in automations for name, m in sorted(registry.load_all(a).items())}
    return json.dumps(found, indent=2) + "\n"


def main() -> int:
    """Write or compare; gives the exit code."""
    if sys.argv[1:] == ["--check"]:
        return int(FILE.read_text() != text())
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

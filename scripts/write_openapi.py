"""Write docs/reference/openapi.json from the routes: `python scripts/write_openapi.py`. A test fails while it is not up to date."""

from __future__ import annotations

import json
from pathlib import Path

from interlock.api.server import describe

FILE = Path(__file__).parents[1] / "docs" / "reference" / "openapi.json"
COMMAND = "python scripts/write_openapi.py"


def text() -> str:
    """Give the document as it is stored: sorted and indented, so that a change reads as one in a diff."""
    return json.dumps(describe().openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())

"""What a drawing process does with a call: give one page of a file as a PNG.

In a child process, since a file that somebody handed in may take long to draw, or bring down whoever draws it; the API goes on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from interlock.data.documents import DocumentLimits, page_picture
from interlock.infra.child import Handler


def handler(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a drawing process; `config` holds the limits of documents."""
    limits = DocumentLimits(**config)

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        return base64.b64encode(page_picture(files["document"], body["number"], limits)).decode()

    return run

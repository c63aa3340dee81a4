"""What drawing and reading processes do with a call: give one page of a file as a PNG, or its text with its places.

In child processes, since a file that somebody handed in may take long, or bring down whoever opens it; the API goes on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from interlock.data.documents import DocumentLimits, one_page, page_picture
from interlock.data.page_text import PageText
from interlock.infra.child import Handler


def draw(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a drawing process; `config` holds the limits of documents."""
    limits = DocumentLimits(**config)

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        return base64.b64encode(page_picture(files["document"], body["number"], limits)).decode()

    return run


def read(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a reading process; `config` holds the limits of documents. Its models are loaded at the first picture."""
    limits = DocumentLimits(**config)
    reader = PageText()

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        page = one_page(files["document"], body["number"], limits)
        return {"layer": bool(page.runs), "lines": reader.lines(page)}

    return run

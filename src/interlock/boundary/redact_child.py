"""What a redaction process does with a call: redact plain JSON, and paint over the pages of the files that it names.

In a child process, since the trained model and OCR take memory and seconds, and a text that takes too long is ended with its process.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.data import masking
from interlock.data.documents import DocumentLimits, inspect, render
from interlock.data.page_text import PageText
from interlock.governance.redaction.detect import Detector, detector
from interlock.governance.redaction.findings import TYPES
from interlock.governance.redaction.pseudonyms import Pseudonyms
from interlock.governance.redaction.redact import Line, lines_with, redact
from interlock.infra.child import Handler


def handler(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a redaction process; `config` says which detector it uses and its limits."""
    finds = detector(config["detector"], chars_max=int(config["chars_max"]))
    limits = DocumentLimits(**config["documents"])
    reader = PageText()

    def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        return _redacted(body, files, finds, reader, limits)

    return run


def _redacted(
    body: Mapping[str, Any], files: Mapping[str, bytes], finds: Detector, reader: PageText, limits: DocumentLimits
) -> dict[str, Any]:
    book = Pseudonyms(body["known"])
    types = frozenset(body["types"] or TYPES)
    spared = frozenset(body["spared"])
    # Files first: a name that stands in a picture is then known in the text beside it too.
    painted, removed = {}, []
    for name, data in files.items():
        painted[name], found = _painted(name, data, finds, book, reader, limits, types)
        removed += found
    done = redact(body["value"], finds, book, types=types, spared=spared.__contains__)
    return {
        "value": done.value,
        "fresh": book.fresh,
        "names": book.names,
        "removed": [*done.removed, *removed],
        "files": painted,
    }


def _painted(
    name: str,
    data: bytes,
    finds: Detector,
    book: Pseudonyms,
    reader: PageText,
    limits: DocumentLimits,
    types: frozenset[str],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Paint over every line with personal data on every page; a file is always written anew, so its metadata stay behind."""
    pages, removed = [], []
    for page in render(data, "", limits):
        lines = [Line(text=text, box=box) for text, box in reader.read(page)]
        held = lines_with(lines, finds, book, types=types)
        pages.append(masking.paint(page.image, [line.box for line, _ in held]))
        removed += [_where(name, page.number, line, kinds) for line, kinds in held]
    new = masking.write(pages, inspect(data, "", limits).media_type)
    removed.append({"type": "METADATA", "document": name, "count": 1})
    return {
        "data": base64.b64encode(new).decode(),
        "sha256": hashlib.sha256(new).hexdigest(),
        "size_bytes": len(new),
    }, removed


def _where(name: str, page: int, line: Line, kinds: Sequence[str] | str) -> dict[str, Any]:
    return {"type": kinds, "document": name, "page": page, "box": [round(edge, 4) for edge in line.box], "count": 1}

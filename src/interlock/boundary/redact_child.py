"""What a redaction process does with a call: redact plain JSON, and paint over the pages of the files that it names.

In a child process, since the trained model and OCR take memory and seconds, and a text that takes too long is ended with its process.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.data import masking
from interlock.data.documents import DocumentLimits, Page, inspect, render
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
    # All is looked at before anything is painted or replaced: what is known from a field, or from the last page, stands on the first page too.
    read = {name: [_lines(page, reader) for page in render(data, "", limits)] for name, data in files.items()}
    for page in (page for pages in read.values() for page in pages):
        lines_with(page, finds, book, types=types)
    redact(body["value"], finds, book, types=types, spared=spared.__contains__)
    painted, removed = {}, []
    for name, data in files.items():
        held = [lines_with(page, finds, book, types=types) for page in read[name]]
        painted[name], found = _painted(name, data, held, limits)
        removed += found
    done = redact(body["value"], finds, book, types=types, spared=spared.__contains__)
    return {
        "value": done.value,
        "fresh": book.fresh,
        "names": book.names,
        "removed": [*done.removed, *removed],
        "files": painted,
    }


def _lines(page: Page, reader: PageText) -> list[Line]:
    return [Line(text=text, box=box) for text, box in reader.read(page)]


def _painted(
    name: str, data: bytes, held: Sequence[Sequence[tuple[Line, str]]], limits: DocumentLimits
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Paint over every line with personal data on every page; a file is always written anew, so its metadata stay behind."""
    pages, removed = [], []
    for page, lines in zip(render(data, "", limits), held, strict=True):
        pages.append(masking.paint(page.image, [line.box for line, _ in lines]))
        removed += [_where(name, page.number, line, kinds) for line, kinds in lines]
    new = masking.write(pages, inspect(data, "", limits).media_type)
    removed.append({"type": "METADATA", "document": name, "count": 1})
    return {
        "data": base64.b64encode(new).decode(),
        "sha256": hashlib.sha256(new).hexdigest(),
        "size_bytes": len(new),
    }, removed


def _where(name: str, page: int, line: Line, kinds: Sequence[str] | str) -> dict[str, Any]:
    return {"type": kinds, "document": name, "page": page, "box": [round(edge, 4) for edge in line.box], "count": 1}

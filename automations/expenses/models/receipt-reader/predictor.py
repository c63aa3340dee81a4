"""Reads receipts: pages in, merchant, date, total, currency, tax and number out, each with confidence and place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from receipt_confidence import load, trust
from receipt_fields import draft
from receipt_layout import PageText, TextBox
from receipt_ocr import PageReader

from interlock.data.documents import DocumentLimits, Page, render
from interlock.domain.errors import InterlockError

FIELDS = ("merchant", "date", "total", "currency", "tax", "receipt_number")
PAGES_MAX = 20


class UnreadableDocument(ValueError):
    """A document that cannot be opened. `code` is stable; trying again with the same file cannot help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Predictor:
    """Holds the OCR models and the calibration; one per process, one call at a time."""

    def __init__(self, folder: Path) -> None:
        self._limits = DocumentLimits(pages_max=PAGES_MAX)
        self._calibration = load(folder / "calibration.json")
        self._reader = PageReader()

    def predict(self, request: dict[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
        """Read one receipt, whose pages may be spread over several documents.

        Args:
            request: `documents`, a list of `{"id", "filename", "media_type"}`; pages are counted through them in this order.
            files: the content of each document by its ID.

        Raises:
            UnreadableDocument: one of the documents is missing, over a limit, damaged or of an unknown type.
        """
        documents = request.get("documents") or []
        if not documents:
            raise UnreadableDocument("document.missing", "The request names no document.")
        pages: list[PageText] = []
        for document in documents:
            data = files.get(document["id"])
            if data is None:
                raise UnreadableDocument("document.missing", f"The document {document['id']} was not handed over.")
            try:
                for page in render(data, document.get("filename") or "", self._limits):
                    pages.append(self._text(page, len(pages) + 1))
            except InterlockError as error:
                raise UnreadableDocument(error.code, str(error)) from error
            if len(pages) > PAGES_MAX:
                raise UnreadableDocument("document.unsafe", f"More than {PAGES_MAX} pages in all.")
        return self._reading(pages)

    def _text(self, page: Page, number: int) -> PageText:
        """Take the text that is in the file where there is some, else recognise it."""
        if not page.runs:
            return self._reader.read(page.image, number)
        height, width = page.image.shape[:2]
        boxes = tuple(
            TextBox(
                text=run.text,
                score=1.0,
                quad=(
                    (run.box[0], run.box[1]),
                    (run.box[2], run.box[1]),
                    (run.box[2], run.box[3]),
                    (run.box[0], run.box[3]),
                ),
            )
            for run in page.runs
        )
        return PageText(
            page=number, width_px=width, height_px=height, rotation_deg=0, from_text_layer=True, boxes=boxes
        )

    def _reading(self, pages: list[PageText]) -> dict[str, Any]:
        reading = draft(pages, self._calibration.ranking)
        trusted, reasons = trust(self._calibration, reading)
        result: dict[str, Any] = {}
        for name in FIELDS:
            choice = getattr(reading, name)
            result[name] = choice and {
                "value": choice.value,
                "confidence": round(self._calibration.of(name, choice), 4),
                "page": choice.page,
                "box": list(choice.box),
            }
        return {
            **result,
            "confidence": round(self._calibration.joint(reading), 4),
            "trusted": trusted,
            "reasons": reasons,
            "larger_amounts": list(reading.larger_amounts),
            "pages": len(pages),
            "text_layer": all(page.from_text_layer for page in pages),
        }

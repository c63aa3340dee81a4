"""Reads receipts: pages in, merchant, date, total, currency, tax and number out, each with confidence and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import receipt_ranking
from receipt_confidence import load
from receipt_fields import Draft, draft
from receipt_layout import Look, PageText, Piece, TextBox
from receipt_ocr import PageReader
from receipt_picture import Image

from interlock.data.documents import DocumentLimits, Page, render
from interlock.domain.errors import InterlockError

FIELDS = ("merchant", "date", "total", "currency", "tax", "receipt_number")
PAGES_MAX = 20
SECOND_SCALE = 0.7


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
        self._rankers = receipt_ranking.load(folder / "rankers")
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
        images: list[Page] = []
        for document in documents:
            data = files.get(document["id"])
            if data is None:
                raise UnreadableDocument("document.missing", f"The document {document['id']} was not handed over.")
            try:
                images += list(render(data, document.get("filename") or "", self._limits))
            except InterlockError as error:
                raise UnreadableDocument(error.code, str(error)) from error
            if len(images) > PAGES_MAX:
                raise UnreadableDocument("document.unsafe", f"More than {PAGES_MAX} pages in all.")
        return self._read(images)

    def _read(self, images: list[Page]) -> dict[str, Any]:
        """Read all pages; where no date or no total is found, once more at another scale, which splits lines differently."""
        pages = [paper for number, page in enumerate(images, start=1) for paper in self._text(page, number)]
        reading = self._draft(images, pages)
        if (reading.date is None or reading.total is None) and not all(page.from_text_layer for page in pages):
            scaled = [one if one.runs else replace(one, image=_scaled(one.image)) for one in images]
            smaller = [paper for number, page in enumerate(scaled, start=1) for paper in self._text(page, number)]
            second = self._draft(scaled, smaller)
            if _found(second) > _found(reading):
                pages, reading = smaller, second
        return self._outcome(reading, pages)

    def _draft(self, images: list[Page], pages: list[PageText]) -> Draft:
        def again(number: int, piece: Piece) -> tuple[Look, ...]:
            page = next(one for one in pages if one.page == number and _holds(one, piece))
            if page.from_text_layer:
                return ()
            return self._reader.look_again(images[number - 1].image, page, piece.quad)

        return draft(pages, self._rankers, again)

    def _text(self, page: Page, number: int) -> list[PageText]:
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
        return [
            PageText(page=number, width_px=width, height_px=height, rotation_deg=0, from_text_layer=True, boxes=boxes)
        ]

    def _outcome(self, reading: Draft, pages: list[PageText]) -> dict[str, Any]:
        trusted, reasons = self._calibration.trust(reading)
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
            "supports_claim": self._calibration.supports_claim(reading),
            "several_receipts": reading.several,
            "larger_amounts": list(reading.larger_amounts),
            "printed": [{"value": value, "role": role} for value, role in reading.printed],
            "pages": len(pages),
            "text_layer": all(page.from_text_layer for page in pages),
        }


def _holds(page: PageText, piece: Piece) -> bool:
    """Whether a piece of text stands on this paper."""
    return any(box.quad == piece.quad and box.text.startswith(piece.text) for box in page.boxes)


def _scaled(image: Image) -> Image:
    return np.asarray(cv2.resize(image, None, fx=SECOND_SCALE, fy=SECOND_SCALE, interpolation=cv2.INTER_AREA), np.uint8)


def _found(reading: Draft) -> int:
    return (reading.date is not None) + (reading.total is not None)

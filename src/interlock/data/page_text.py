"""The text of a page with its places: what a PDF says of itself, and what can be read from the picture."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from interlock.data.documents import Page

# Lower than for reading: a doubtful line that is taken for text is painted over, one that is missed leaves.
TEXT_SCORE_MIN: Final = 0.2
_PAD_SHARE: Final = 0.2  # of a line's height, on every side: letters reach over the box that a detector draws
_SAME_LINE_SHARE: Final = 0.5  # of the lower one's height

PlacedText = tuple[str, tuple[float, float, float, float]]
"""A text and its box as fractions of the page."""


class PageText:
    """Reads pages. The OCR's models are loaded at the first page that needs them: about a second."""

    def __init__(self) -> None:
        self._ocr: Any = None

    def read(self, page: Page) -> list[PlacedText]:
        """Give every text on the page, by the text layer and by OCR both: a picture inside a page is in no text layer."""
        return [
            *(_placed(run.text, run.box, page, _PAD_SHARE) for run in page.runs),
            *(_placed(text, box, page, _PAD_SHARE) for text, box in self._seen(page)),
        ]

    def lines(self, page: Page) -> list[list[PlacedText]]:
        """Give the page's lines from top to bottom, each as its parts from left to right: by the text layer, by OCR where there is none."""
        found = [(run.text, run.box) for run in page.runs] or self._seen(page)
        return _lines([_placed(text, box, page) for text, box in found])

    def _seen(self, page: Page) -> list[PlacedText]:
        """Give what OCR finds on the picture, in its pixels."""
        result = self._reader()(_bgr(page.image))
        if result.boxes is None or result.txts is None:
            return []
        found = []
        for corners, text in zip(result.boxes, result.txts, strict=True):
            (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
            found.append((str(text), (float(x0), float(y0), float(x1), float(y1))))
        return found

    def _reader(self) -> Any:
        if self._ocr is None:
            params = {
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "critical",
                "Global.text_score": TEXT_SCORE_MIN,
            }
            self._ocr = importlib.import_module("rapidocr").RapidOCR(params=params)
        return self._ocr


def _bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[:, :, ::-1])


def _placed(text: str, box: Sequence[float], page: Page, pad_share: float = 0.0) -> PlacedText:
    height, width = page.image.shape[:2]
    x0, y0, x1, y1 = box
    pad = (y1 - y0) * pad_share
    return text, (
        max(0.0, (x0 - pad) / width),
        max(0.0, (y0 - pad) / height),
        min(1.0, (x1 + pad) / width),
        min(1.0, (y1 + pad) / height),
    )


def _lines(placed: list[PlacedText]) -> list[list[PlacedText]]:
    """Put texts beside each other into lines: a text belongs to the line above it where they share most of their height."""
    lines: list[list[PlacedText]] = []
    for one in sorted(placed, key=lambda item: item[1][1] + item[1][3]):
        if lines and _beside(lines[-1][0], one):
            lines[-1].append(one)
        else:
            lines.append([one])
    return [sorted(line, key=lambda item: item[1][0]) for line in lines]


def _beside(one: PlacedText, other: PlacedText) -> bool:
    (_, top, _, bottom), (_, over, _, under) = one[1], other[1]
    return min(bottom, under) - max(top, over) > _SAME_LINE_SHARE * min(bottom - top, under - over)

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

PlacedText = tuple[str, tuple[float, float, float, float]]
"""A text and its box as fractions of the page."""


class PageText:
    """Reads pages. The OCR's models are loaded at the first page that needs them: about a second."""

    def __init__(self) -> None:
        self._ocr: Any = None

    def read(self, page: Page) -> list[PlacedText]:
        """Give every text on the page, by the text layer and by OCR both: a picture inside a page is in no text layer."""
        height, width = page.image.shape[:2]
        placed = [(run.text, _padded(run.box, width, height)) for run in page.runs]
        result = self._reader()(_bgr(page.image))
        if result.boxes is not None and result.txts is not None:
            for corners, text in zip(result.boxes, result.txts, strict=True):
                (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
                placed.append((str(text), _padded((float(x0), float(y0), float(x1), float(y1)), width, height)))
        return placed

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


def _padded(box: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    pad = (y1 - y0) * _PAD_SHARE
    return (
        max(0.0, (x0 - pad) / width),
        max(0.0, (y0 - pad) / height),
        min(1.0, (x1 + pad) / width),
        min(1.0, (y1 + pad) / height),
    )

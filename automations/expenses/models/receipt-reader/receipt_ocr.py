"""Recognise the text of a page picture, whichever way up it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from receipt_layout import PageText, TextBox

Image = NDArray[np.uint8]

SETTINGS_VERSION = "4"
"""Raise it with any change below: cached readings and the calibration belong to one version."""

SIDE_PX_MAX = 2000
CONTRAST_SPREAD_MIN = 110  # grey levels between ink and paper; thermal paper that faded has less
INK_PERCENTILE, PAPER_PERCENTILE = 0.1, 99.0  # a small receipt on a large white page has less than 1 % of ink
GOOD_SCORE = 0.86  # upright receipts score above it on average; upside-down ones far below
TEXT_SCORE_MIN = 0.5


class PageReader:
    """Holds the OCR models: about 60 MB of weights, 0.5 GB with working memory. Not safe for concurrent calls.

    Runs on `INTERLOCK_OCR_THREADS` threads (1 by default: a pool of processes gives more receipts a second than threads do).
    """

    def __init__(self, threads: int | None = None) -> None:
        count = threads if threads is not None else int(os.environ.get("INTERLOCK_OCR_THREADS", "1"))
        cv2.setNumThreads(count)
        self._ocr = RapidOCR(
            params={
                "EngineConfig.onnxruntime.intra_op_num_threads": count,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.max_side_len": SIDE_PX_MAX,
                "Global.text_score": TEXT_SCORE_MIN,
                "Rec.rec_batch_num": 1,  # on one thread padding to the widest line costs more than batching saves
            }
        )
        self._warm_up()

    def _warm_up(self) -> None:
        """Load both models now: they would be loaded by the first page with text, which then waits for them."""
        sample = np.full((96, 320, 3), 255, dtype=np.uint8)
        cv2.putText(sample, "TOTAL 12.30", (12, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (0, 0, 0), 3)
        self._boxes(sample)

    def read(self, image: Image, page: int) -> PageText:
        """Read one page, given as RGB of shape (height, width, 3), dtype uint8.

        A page on its side is known by boxes that are taller than wide, one upside down by poor scores; only then is it read
        again, so an upright page costs one pass.
        """
        bgr = _with_contrast(np.ascontiguousarray(image[:, :, ::-1]))
        rotation, boxes = 0, self._boxes(bgr)
        if _on_its_side(boxes):
            rotation, boxes = 90, self._boxes(_turned(bgr, 90))
        if _quality(boxes) < GOOD_SCORE:
            other = (rotation + 180) % 360
            flipped = self._boxes(_turned(bgr, other))
            if _weight(flipped) > _weight(boxes):
                rotation, boxes = other, flipped
        height, width = image.shape[:2]
        if rotation in (90, 270):
            height, width = width, height
        return PageText(
            page=page, width_px=width, height_px=height, rotation_deg=rotation, from_text_layer=False, boxes=boxes
        )

    def _boxes(self, image: Image) -> tuple[TextBox, ...]:
        result: Any = self._ocr(image, use_cls=False)
        if result.boxes is None or result.txts is None:
            return ()
        return tuple(
            TextBox(
                text=str(text),
                score=round(float(score), 4),
                quad=(_point(quad[0]), _point(quad[1]), _point(quad[2]), _point(quad[3])),
            )
            for quad, text, score in zip(result.boxes, result.txts, result.scores, strict=True)
        )


def _point(xy: Sequence[float]) -> tuple[float, float]:
    return (round(float(xy[0]), 1), round(float(xy[1]), 1))


def _with_contrast(image: Image) -> Image:
    """Stretch faint print to the full range; leave a page with good contrast exactly as it is."""
    low, high = np.percentile(image[::4, ::4], (INK_PERCENTILE, PAPER_PERCENTILE))
    if high - low >= CONTRAST_SPREAD_MIN or high - low < 4:
        return image
    stretched = (image.astype(np.float32) - low) * (255.0 / (high - low))
    result: Image = np.clip(stretched, 0, 255).astype(np.uint8)
    return result


def _turned(image: Image, rotation_deg: int) -> Image:
    """Turn counter-clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(image, rotation_deg // 90))


def _on_its_side(boxes: Sequence[TextBox]) -> bool:
    long = [box for box in boxes if max(box.width, box.height) > 3 * min(box.width, box.height)]
    return len(long) >= 3 and sum(box.height > box.width for box in long) > len(long) / 2


def _quality(boxes: Sequence[TextBox]) -> float:
    """Mean score by character, 0 for a page without text."""
    letters = sum(len(box.text) for box in boxes)
    return sum(box.score * len(box.text) for box in boxes) / letters if letters else 0.0


def _weight(boxes: Sequence[TextBox]) -> float:
    """How much was read well: characters in boxes of a good score."""
    return sum(len(box.text) * box.score for box in boxes if box.score > 0.8)

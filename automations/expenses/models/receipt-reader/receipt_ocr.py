"""Recognise the text of a page picture, whichever way up it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from receipt_layout import Look, PageText, Point, TextBox

Image = NDArray[np.uint8]

SETTINGS_VERSION = "4"
"""Raise it with any change below: cached readings and the calibration belong to one version."""

SIDE_PX_MAX = 2000
CONTRAST_SPREAD_MIN = 110  # grey levels between ink and paper; thermal paper that faded has less
INK_PERCENTILE, PAPER_PERCENTILE = 0.1, 99.0  # a small receipt on a large white page has less than 1 % of ink
LOOKS = ((1.0, 0.1), (0.7, 0.1), (1.5, 0.3))
"""Scale and margin (in heights of the line) of each further look at a line."""
CROP_PX_MAX = 4000
GOOD_SCORE = 0.86  # upright receipts score above it on average; upside-down ones far below
TEXT_SCORE_MIN = 0.5


class _Listener:
    """The recogniser's session, remembering the last probabilities that it gave: rapidocr hands on texts and scores only."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.heard: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def __call__(self, content: NDArray[np.float32]) -> Any:
        given = self._session(content)
        self.heard = np.asarray(given[0] if isinstance(given, list | tuple) else given)[-1]
        return given

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


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
        recognition: Any = self._ocr.text_rec
        self._recogniser = recognition.session = _Listener(recognition.session)
        characters = recognition.postprocess_op.character
        self._digits = np.array(sorted(characters.index(digit) for digit in "0123456789"))

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

    def look_again(self, image: Image, page: PageText, quad: Sequence[Point]) -> tuple[Look, ...]:
        """Read one line of a page again, at each of `LOOKS`. Costs about 25 ms each.

        A line's score says little: a disfigured 8 that is read as 3 has a good one. What the recogniser held of the second best
        digit says more, and so does another reading at another scale.

        Args:
            image: the page as it was handed to `read`.
            page: what `read` gave; `quad` is a place on it, in pixels of the upright page.
        """
        upright = _turned(np.ascontiguousarray(image[:, :, ::-1]), page.rotation_deg)
        looks = []
        for scale, margin in LOOKS:
            crop = _cut_out(upright, quad, scale, margin)
            result: Any = self._ocr(crop, use_det=False, use_cls=False, use_rec=True)
            text = " ".join(result.txts) if result.txts is not None else ""
            looks.append(Look(text=text, doubt=self._digit_doubt(self._recogniser.heard)))
        return tuple(looks)

    def _digit_doubt(self, steps: NDArray[np.float32]) -> float:
        """Give the largest probability of another digit at a place where a digit was read; `steps` is of shape (time, characters)."""
        best = steps.argmax(axis=1)
        read = np.isin(best, self._digits)
        if not read.any():
            return 0.0
        others = steps[read][:, self._digits].copy()
        others[np.arange(len(others)), np.searchsorted(self._digits, best[read])] = 0.0
        return round(float(others.max()), 5)

    def _boxes(self, image: Image) -> tuple[TextBox, ...]:
        # Said in full: rapidocr keeps what the call before was told, and `look_again` detects nothing.
        result: Any = self._ocr(image, use_det=True, use_cls=False, use_rec=True)
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


def _cut_out(image: Image, quad: Sequence[Point], scale: float, margin: float) -> Image:
    """Straighten a quadrilateral out of a page, with a margin around it."""
    corners = np.array(quad, np.float32)
    width = max(float(np.linalg.norm(corners[0] - corners[1])), float(np.linalg.norm(corners[3] - corners[2])), 4.0)
    height = max(float(np.linalg.norm(corners[0] - corners[3])), float(np.linalg.norm(corners[1] - corners[2])), 4.0)
    pad = margin * height
    scale = min(scale, CROP_PX_MAX / (width + 2 * pad), CROP_PX_MAX / (height + 2 * pad))
    target = np.array([[pad, pad], [pad + width, pad], [pad + width, pad + height], [pad, pad + height]], np.float32)
    size = max(8, round((width + 2 * pad) * scale)), max(8, round((height + 2 * pad) * scale))
    moved = cv2.getPerspectiveTransform(corners, target * np.float32(scale))
    cut = cv2.warpPerspective(image, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


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

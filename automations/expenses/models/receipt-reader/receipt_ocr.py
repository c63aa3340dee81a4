"""Recognise the text of a page picture, whichever way up it is.

Where the seconds of a page go, on one thread: three in ten to finding lines, six to reading them, one to looking again at those that
matter. Lines are found on a small copy, since their places need no sharpness, and read one by one from the full picture: padding them
to a common width, as a batch needs it, costs more than it saves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from receipt_layout import Look, PageText, Quad, TextBox
from receipt_picture import Image, Paper, cut_out, papers, straightened

SETTINGS_VERSION = "6"
"""Raise it with any change here or in `receipt_picture`: cached readings and the calibration belong to one version."""

FIND_LONG_PX, FIND_SHORT_PX = (
    960,
    400,
)  # the copy on which lines are found: its longer side, but no less for the shorter one
FIND_AREA_PX = 1_400_000
FIND_ENLARGED_MAX = 2.0
LINE_HEIGHT_PX = 48  # what the recogniser was trained on
LINE_WIDTH_PX_MAX = 3200
LINE_MARGIN = 0.06  # of a line's height, at its ends; half of it above and below
LOOKS = ((0.7, 0.1, False), (1.0, 0.3, False), (1.5, 0.1, True))
"""Scale, margin at the ends (in heights of the line) and whether strokes are made thinner, of each further look at a line: a coarser one,
a wider one that sees a digit which the first cut off, and one in which a closed loop of an 8 or 6 shows its gap if it has one."""
LOOK_MARGIN = 0.1  # above and below; more brings in the lines there, and doubts that are none
THINNER = np.ones((2, 2), np.uint8)
GOOD_SCORE = 0.86  # upright receipts score above it on average; upside-down ones far below
PROBES = 8  # lines that tell which way up a paper is
TEXT_SCORE_MIN = 0.5
LINES_MAX = 600  # on a paper; those first found, from top to bottom
PAPERS_MAX = 6


@dataclass(frozen=True, kw_only=True)
class Line:
    """What the recogniser read in one line, the mean probability of its characters, and its doubt about digits (see `Look`)."""

    text: str
    score: float
    doubt: float


class PageReader:
    """Holds the OCR models: about 30 MB of weights. Not safe for concurrent calls.

    Runs on `INTERLOCK_OCR_THREADS` threads (1 by default: a pool of processes gives more receipts a second than threads do).
    """

    def __init__(self, threads: int | None = None) -> None:
        count = threads if threads is not None else int(os.environ.get("INTERLOCK_OCR_THREADS", "1"))
        cv2.setNumThreads(count)
        ocr = RapidOCR(
            params={
                "EngineConfig.onnxruntime.intra_op_num_threads": count,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": 10**6,  # we hand over the size that we want
            }
        )
        self._warm_up(ocr)
        self._finder: Any = ocr.text_det
        recognition: Any = ocr.text_rec
        self._recogniser = recognition.session
        self._last: tuple[Image, Quad, Image] | None = None  # what was looked at last: page, paper, its upright picture
        self._characters: list[str] = list(recognition.postprocess_op.character)
        self._digits = np.array(sorted(self._characters.index(digit) for digit in "0123456789"))

    @staticmethod
    def _warm_up(ocr: Any) -> None:
        """Load both models now: they would be loaded by the first page with text, which then waits for them."""
        sample = np.full((96, 320, 3), 255, dtype=np.uint8)
        cv2.putText(sample, "TOTAL 12.30", (12, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (0, 0, 0), 3)
        ocr(sample)

    def read(self, image: Image, page: int) -> list[PageText]:
        """Read one page, given as RGB of shape (height, width, 3), dtype uint8: its papers, at least one.

        A paper on its side is known by lines that are taller than wide, one upside down by a few lines that are read poorly.
        """
        found = papers(np.ascontiguousarray(image[:, :, ::-1]))[:PAPERS_MAX]
        return [self._paper(paper, page, part) for part, paper in enumerate(found)]

    def _paper(self, paper: Paper, page: int, part: int) -> PageText:
        rotation, upright = 0, paper.picture
        quads = self._find(upright)
        if _on_its_side(quads):
            rotation, upright = 90, turned(paper.picture, 90)
            quads = self._find(upright)
        probed = self._probed(upright, quads)
        if probed is None:
            rotation, upright = (rotation + 180) % 360, turned(upright, 180)
            quads, probed = self._find(upright), {}
        boxes = []
        for quad in quads:
            line = probed.get(quad) or self._line(cut_out(upright, quad, LINE_MARGIN))
            if line.score >= TEXT_SCORE_MIN and line.text.strip():
                boxes.append(TextBox(text=line.text, score=line.score, quad=quad, doubt=line.doubt))
        height, width = upright.shape[:2]
        return PageText(
            page=page,
            part=part,
            paper=paper.quad,
            width_px=width,
            height_px=height,
            rotation_deg=rotation,
            from_text_layer=False,
            boxes=tuple(boxes),
        )

    def look_again(self, image: Image, page: PageText, quad: Quad) -> tuple[Look, ...]:
        """Read one line of a page again, at each of `LOOKS`. Costs about 15 ms each.

        A line's score says little: a disfigured 8 that is read as 3 has a good one. What the recogniser held of the second best
        digit says more, and so does another reading at another scale.

        Args:
            image: the page as it was handed to `read`.
            page: one of what `read` gave; `quad` is a place on it, in pixels of the upright paper.
        """
        if self._last is None or self._last[0] is not image or self._last[1] != page.paper:
            bgr = np.ascontiguousarray(image[:, :, ::-1])
            self._last = image, page.paper, turned(straightened(bgr, page.paper), page.rotation_deg)
        upright = self._last[2]
        looks = []
        for scale, margin, thinner in LOOKS:
            crop = cut_out(upright, quad, margin, upright_margin=LOOK_MARGIN, scale=scale)
            line = self._line(np.asarray(cv2.dilate(crop, THINNER), np.uint8) if thinner else crop)
            looks.append(Look(text=line.text, doubt=line.doubt))
        return tuple(looks)

    def _find(self, picture: Image) -> list[Quad]:
        """Find the lines of text, from top to bottom."""
        height, width = picture.shape[:2]
        scale = max(FIND_LONG_PX / max(height, width), FIND_SHORT_PX / min(height, width))
        if (
            max(height, width) * scale > FIND_LONG_PX
        ):  # for a strip the shorter side counts, and it is not enlarged for it
            scale = min(scale, 1.0)
        scale = min(scale, FIND_ENLARGED_MAX, (FIND_AREA_PX / (height * width)) ** 0.5)
        size = max(32, round(width * scale)), max(32, round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        result = self._finder(small)
        if result.boxes is None:
            return []
        by = np.array([width / size[0], height / size[1]])
        return [
            (_point(quad[0]), _point(quad[1]), _point(quad[2]), _point(quad[3]))
            for quad in (np.asarray(corners, np.float64) * by for corners in result.boxes[:LINES_MAX])
        ]

    def _probed(self, upright: Image, quads: Sequence[Quad]) -> dict[Quad, Line] | None:
        """Read the widest lines; None where they are read poorly, and better the other way up."""
        widest = sorted(quads, key=lambda quad: quad[0][0] - quad[1][0])[:PROBES]
        crops = [cut_out(upright, quad, LINE_MARGIN) for quad in widest]
        straight = [self._line(crop) for crop in crops]
        poorly = bool(straight) and _quality(straight) < GOOD_SCORE
        if poorly and _weight([self._line(turned(crop, 180)) for crop in crops]) > _weight(straight):
            return None
        return dict(zip(widest, straight, strict=True))

    def _line(self, crop: Image) -> Line:
        """Read the picture of one line: the best character at each step, blanks and repetitions left out (CTC)."""
        height, width = crop.shape[:2]
        wide = int(min(max(8, -(-LINE_HEIGHT_PX * width // height)), LINE_WIDTH_PX_MAX))
        x = np.zeros((1, 3, LINE_HEIGHT_PX, -(-wide // 8) * 8), np.float32)
        resized = cv2.resize(crop, (wide, LINE_HEIGHT_PX)).astype(np.float32)
        x[0, :, :, :wide] = resized.transpose(2, 0, 1) / 127.5 - 1.0
        given = self._recogniser(x)
        steps = np.asarray(given[0] if isinstance(given, list | tuple) else given)[-1]
        best = steps.argmax(axis=1)
        kept = (best != 0) & np.concatenate(([True], best[1:] != best[:-1]))
        if not kept.any():
            return Line(text="", score=0.0, doubt=0.0)
        score = float(steps[kept, best[kept]].mean())
        text = "".join(self._characters[index] for index in best[kept])
        return Line(text=text, score=round(score, 4), doubt=self._digit_doubt(steps, best))

    def _digit_doubt(self, steps: NDArray[np.float32], best: NDArray[np.int64]) -> float:
        """Give the largest probability of another digit at a place where a digit was read; `steps` is of shape (time, characters)."""
        read = np.isin(best, self._digits)
        if not read.any():
            return 0.0
        others = steps[read][:, self._digits].copy()
        others[np.arange(len(others)), np.searchsorted(self._digits, best[read])] = 0.0
        return round(float(others.max()), 5)


def turned(image: Image, rotation_deg: int) -> Image:
    """Turn counter-clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(image, rotation_deg // 90))


def _point(xy: Sequence[float]) -> tuple[float, float]:
    return (round(float(xy[0]), 1), round(float(xy[1]), 1))


def _on_its_side(quads: Sequence[Quad]) -> bool:
    sizes = [(quad[1][0] - quad[0][0], quad[3][1] - quad[0][1]) for quad in quads]
    long = [(abs(wide), abs(tall)) for wide, tall in sizes if max(abs(wide), abs(tall)) > 3 * min(abs(wide), abs(tall))]
    return len(long) >= 3 and sum(tall > wide for wide, tall in long) > len(long) / 2


def _quality(lines: Sequence[Line]) -> float:
    """Mean score by character, 0 for a page without text."""
    letters = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / letters if letters else 0.0


def _weight(lines: Sequence[Line]) -> float:
    """How much was read well: characters in lines of a good score."""
    return sum(len(line.text) * line.score for line in lines if line.score > 0.8)

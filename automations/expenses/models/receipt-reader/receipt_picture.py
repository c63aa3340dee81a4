"""Find the papers on a page picture, and make of each a flat, well lit picture that is as small as its text allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from receipt_layout import Point, Quad, on_page

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WHOLE: Quad = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

SEARCH_PX = 512  # papers and ink are looked for on a copy this long
SIDE_PX_MAX = 2400  # of a paper; a larger picture of it is made smaller
CONTRAST_SPREAD_MIN = 110  # grey levels between ink and paper; thermal paper that faded has less
INK_PERCENTILE, PAPER_PERCENTILE = 0.1, 99.0  # a small receipt on a large white page has less than 1 % of ink
TABLE_CONTRAST_MIN = 45  # grey levels between a paper and what it lies on
PAPER_SHARE_MIN = 0.04  # of the picture; less is a label or a light
PAPER_SHARE_MAX = 0.93  # more is a scan, whose edges say nothing
FILLED_MIN = 0.88  # of its quadrilateral; less is no sheet of paper that lies flat
LOST_INK_MAX = 0.02  # of all ink; more lies outside what was taken for papers, which then are shadows and no papers
GRAIN_SHARE_MAX = (
    0.35  # of the light around it; what is less dark may be the grain of a table, print in a shadow is darker
)
STRAIGHT_MAX = 0.012  # corners this close to an upright rectangle, as shares of its sides, are not straightened
LINE_PX_MAX = 4000
INK_CONTRAST_MIN = 22  # grey levels under the paper around it
INK_REACH = 13  # pixels of the small copy: what is dark and wider is no print
SPECK_MAX = 12  # pixels of the small copy; less is dirt
INK_MARGIN = 0.025  # of the longer side, left around the print
CROP_GAIN_MIN = 0.12  # of the picture that must be empty before the rest is cut out


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper: where it lies on the page, in fractions, and its straightened picture (BGR)."""

    quad: Quad
    picture: Image


def papers(image: Image) -> list[Paper]:
    """Give the papers of a page, left to right and top to bottom; the page itself where none stands out from what it lies on.

    Args:
        image: the page as BGR of shape (height, width, 3).
    """
    height, width = image.shape[:2]
    scale = min(1.0, SEARCH_PX / max(height, width))
    small = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if scale < 1.0:
        small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = np.asarray(small, np.uint8)
    found = []
    for quad in _sheets(grey) or [WHOLE]:
        cut = _cut(image, quad)
        inner = _printed_part(cut)
        if inner is not None:
            quad = _inside(quad, inner)
        found.append(Paper(quad=quad, picture=straightened(image, quad)))
    return found


def straightened(image: Image, quad: Quad) -> Image:
    """Give the picture of a paper that `papers` found, as it gave it."""
    return with_contrast(_cut(image, quad))


def with_contrast(image: Image) -> Image:
    """Stretch faint print to the full range; leave a page with good contrast exactly as it is."""
    low, high = np.percentile(image[::4, ::4], (INK_PERCENTILE, PAPER_PERCENTILE))
    if high - low >= CONTRAST_SPREAD_MIN or high - low < 4:
        return image
    stretched = (image.astype(np.float32) - low) * (255.0 / (high - low))
    result: Image = np.clip(stretched, 0, 255).astype(np.uint8)
    return result


def _cut(image: Image, quad: Quad) -> Image:
    """Straighten a quadrilateral, given in fractions of the picture; an upright one is cut out as it is, if it is small enough."""
    height, width = image.shape[:2]
    corners = np.array([(x * width, y * height) for x, y in quad], np.float32)
    wide = max(float(np.linalg.norm(corners[0] - corners[1])), float(np.linalg.norm(corners[3] - corners[2])), 8.0)
    tall = max(float(np.linalg.norm(corners[0] - corners[3])), float(np.linalg.norm(corners[1] - corners[2])), 8.0)
    scale = min(1.0, SIDE_PX_MAX / max(wide, tall))
    if quad[0][1] == quad[1][1] and quad[1][0] == quad[2][0] and quad[2][1] == quad[3][1] and quad[3][0] == quad[0][0]:
        x0, y0, x1, y1 = (round(float(v)) for v in (*corners[0], *corners[2]))
        cut = image[y0 : max(y1, y0 + 8), x0 : max(x1, x0 + 8)]
        if scale < 1.0:
            cut = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        return np.ascontiguousarray(cut)
    size = max(8, round(wide * scale)), max(8, round(tall * scale))
    target = np.array([(0, 0), (size[0], 0), (size[0], size[1]), (0, size[1])], np.float32)
    moved = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(corners, target),
        size,
        flags=cv2.INTER_CUBIC if scale == 1.0 else cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)


def _ink(grey: Image, share_min: float = 0.0) -> Mask:
    """What is darker than the paper around it and thin enough to be print; `share_min` of the paper's own light at least."""
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (INK_REACH, INK_REACH))
    paper = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, kernel), np.float32)
    return np.asarray(paper - grey >= np.maximum(INK_CONTRAST_MIN, share_min * paper), np.bool_)


def _sheets(grey: Image) -> list[Quad]:
    """Bright sheets on something darker. None where all print would not be on them: a shadow looks like an edge, too."""
    blurred = cv2.GaussianBlur(grey, (5, 5), 0)
    level, _ = cv2.threshold(blurred, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright = (blurred > level).astype(np.uint8)
    share = float(bright.mean())
    if not 0 < share < 1 or float(grey[bright == 1].mean() - grey[bright == 0].mean()) < TABLE_CONTRAST_MIN:
        return []
    closed = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    height, width = grey.shape
    large = [c for c in contours if cv2.contourArea(c) >= PAPER_SHARE_MIN * width * height]
    if sum(cv2.contourArea(c) for c in large) > PAPER_SHARE_MAX * width * height:
        return []
    covered = np.zeros(grey.shape, np.uint8)
    quads = []
    for contour in large:
        corners = _corners(np.asarray(contour))
        if corners is None:
            return []
        cv2.fillConvexPoly(covered, np.round(corners).astype(np.int32), 1)
        quads.append(_as_quad(np.asarray(corners / np.array([width, height], np.float32), np.float32)))
    print_ = _ink(grey, GRAIN_SHARE_MAX)
    lost = int(print_[cv2.dilate(covered, np.ones((5, 5), np.uint8)) == 0].sum())
    # The edge of a sheet is dark beside bright, and so looks like print; what lies within a few pixels of it does not count.
    if not quads or lost > LOST_INK_MAX * max(1, int(print_.sum())):
        return []
    return sorted(quads, key=lambda quad: (round(min(y for _, y in quad) * 4), min(x for x, _ in quad)))


def _corners(contour: NDArray[np.int32]) -> NDArray[np.float32] | None:
    """The four corners of a sheet, top left first and clockwise; None where it is not one."""
    hull = cv2.convexHull(contour)
    area = float(cv2.contourArea(contour))
    for share in (0.02, 0.03, 0.05, 0.08):
        rough = cv2.approxPolyDP(hull, share * cv2.arcLength(hull, True), True)
        if len(rough) <= 4:
            break
    points = rough.reshape(-1, 2) if len(rough) == 4 else cv2.boxPoints(cv2.minAreaRect(hull))
    corners = np.asarray(points, np.float32)
    if area < FILLED_MIN * float(cv2.contourArea(corners)):
        return None
    middle = corners.mean(axis=0)
    around = np.argsort([math.atan2(y - middle[1], x - middle[0]) for x, y in corners])
    corners = corners[around]
    return np.asarray(np.roll(corners, -int(np.argmin(corners.sum(axis=1))), axis=0), np.float32)


def _as_quad(corners: NDArray[np.float32]) -> Quad:
    """Corners as fractions within the page; those of a sheet that lies straight become an upright rectangle."""
    a, b, c, d = ((min(max(float(x), 0.0), 1.0), min(max(float(y), 0.0), 1.0)) for x, y in corners)
    x0, x1 = min(a[0], d[0]), max(b[0], c[0])
    y0, y1 = min(a[1], b[1]), max(c[1], d[1])
    wide, tall = max(x1 - x0, 1e-6), max(y1 - y0, 1e-6)
    bent = max(abs(a[0] - d[0]) / wide, abs(b[0] - c[0]) / wide, abs(a[1] - b[1]) / tall, abs(c[1] - d[1]) / tall)
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1)) if bent <= STRAIGHT_MAX else (a, b, c, d)


def _printed_part(picture: Image) -> tuple[float, float, float, float] | None:
    """The part of a paper with print on it, as fractions x0, y0, x1, y1; None where that is nearly all or nothing of it."""
    height, width = picture.shape[:2]
    scale = min(1.0, SEARCH_PX / max(height, width))
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    print_ = _ink(small).astype(np.uint8)
    # Words are joined to lines, and what is left alone is dirt.
    joined = cv2.morphologyEx(print_, cv2.MORPH_CLOSE, np.ones((3, 9), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    kept = [[int(n) for n in stats[i]] for i in range(1, count) if stats[i][4] >= SPECK_MAX]
    if not kept:
        return None
    high, wide = small.shape
    margin = INK_MARGIN * max(high, wide)
    x0 = max(0.0, min(s[0] for s in kept) - margin) / wide
    y0 = max(0.0, min(s[1] for s in kept) - margin) / high
    x1 = min(float(wide), max(s[0] + s[2] for s in kept) + margin) / wide
    y1 = min(float(high), max(s[1] + s[3] for s in kept) + margin) / high
    return (x0, y0, x1, y1) if (x1 - x0) * (y1 - y0) < 1.0 - CROP_GAIN_MIN else None


def _inside(quad: Quad, part: Sequence[float]) -> Quad:
    """A part of a quadrilateral, given in fractions of it."""
    x0, y0, x1, y1 = part
    corners: tuple[Point, ...] = tuple(on_page(quad, x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    return corners[0], corners[1], corners[2], corners[3]


def cut_out(
    picture: Image, quad: Quad, margin: float, *, upright_margin: float | None = None, scale: float = 1.0
) -> Image:
    """Straighten one line of text out of a paper.

    Args:
        quad: its corners in pixels.
        margin: how much more at both ends, in heights of the line; above and below half of it, unless `upright_margin` says how much.
        scale: of the result to the picture.
    """
    corners = np.array(quad, np.float32)
    width = max(float(np.linalg.norm(corners[0] - corners[1])), float(np.linalg.norm(corners[3] - corners[2])), 4.0)
    height = max(float(np.linalg.norm(corners[0] - corners[3])), float(np.linalg.norm(corners[1] - corners[2])), 4.0)
    beside, above = margin * height, (margin / 2 if upright_margin is None else upright_margin) * height
    scale = min(scale, LINE_PX_MAX / (width + 2 * beside), LINE_PX_MAX / (height + 2 * above))
    target = np.array(
        [(beside, above), (beside + width, above), (beside + width, above + height), (beside, above + height)],
        np.float32,
    )
    size = max(8, round((width + 2 * beside) * scale)), max(8, round((height + 2 * above) * scale))
    moved = cv2.getPerspectiveTransform(corners, target * np.float32(scale))
    cut = cv2.warpPerspective(picture, moved, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)

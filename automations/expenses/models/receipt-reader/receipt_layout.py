"""Words on a page, and the rows in which a person would read them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the page that a person sees."""

Point = tuple[float, float]

Quad = tuple[Point, Point, Point, Point]
"""Corners clockwise from the top left."""

BOXES_MAX = 2000  # on a page; a receipt has some hundred
TEXT_MAX = 200  # characters in a box; keeps every rule's work bounded whatever a file holds


@dataclass(frozen=True, kw_only=True)
class TextBox:
    """A piece of text with its place in pixels, the recogniser's own score, and its doubt (see `Look`)."""

    text: str
    score: float
    quad: Quad
    doubt: float = 0.0

    @property
    def height(self) -> float:
        return (math.dist(self.quad[0], self.quad[3]) + math.dist(self.quad[1], self.quad[2])) / 2

    @property
    def width(self) -> float:
        return (math.dist(self.quad[0], self.quad[1]) + math.dist(self.quad[3], self.quad[2])) / 2


@dataclass(frozen=True, kw_only=True)
class PageText:
    """All text of one paper, upright. A page of a file is one paper, unless several lie on the picture.

    Attributes:
        page: counted from 1.
        width_px, height_px: size of the upright paper.
        rotation_deg: how far the paper was turned counter-clockwise to make it upright (0, 90, 180, 270).
        from_text_layer: the text was in the file (PDF) and was not recognised from a picture.
        paper: where the paper lies on the page, in fractions of it; its first corner is where the text's would be without the turn.
        part: counts the papers of a page from 0.
    """

    page: int
    width_px: int
    height_px: int
    rotation_deg: int
    from_text_layer: bool
    boxes: tuple[TextBox, ...]
    paper: Quad = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    part: int = 0


@dataclass(frozen=True, kw_only=True)
class Look:
    """A further look at a line. `doubt`: the largest probability that the recogniser gave another digit where it read one."""

    text: str
    doubt: float


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A text box placed in its row. `x0`, `x1` are fractions of the deskewed text width, `height` of the median.

    `quad` is where it stands on the upright paper, in pixels, for a second look at it; `doubt` is that of the
    first look, `part` the paper of the page.
    """

    text: str
    score: float
    x0: float
    x1: float
    height: float
    box: Box
    quad: Quad
    doubt: float = 0.0
    part: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """What stands on one line of the receipt, left to right. `y` is 0 at the first line of the paper and 1 at the last."""

    page: int
    y: float
    pieces: tuple[Piece, ...]

    @property
    def part(self) -> int:
        """Which paper of the page it stands on, from 0."""
        return self.pieces[0].part if self.pieces else 0

    @property
    def text(self) -> str:
        return "  ".join(piece.text for piece in self.pieces)

    @property
    def height(self) -> float:
        return max(piece.height for piece in self.pieces)


def rows(page: PageText) -> list[Row]:
    """Group the boxes of a page into rows, after taking out the tilt of the paper."""
    if not page.boxes:
        return []
    boxes = page.boxes[:BOXES_MAX]
    tilt = _tilt(boxes)
    cos, sin = math.cos(-tilt), math.sin(-tilt)
    placed = sorted(((*_centre(box, cos, sin), box) for box in boxes), key=lambda item: item[1])
    median_height = statistics.median(box.height for box in boxes) or 1.0
    left = min(x - box.width / 2 for x, _, box in placed)
    span = max(x + box.width / 2 for x, _, box in placed) - left or 1.0
    top, bottom = placed[0][1], placed[-1][1]

    groups: list[list[tuple[float, float, TextBox]]] = []
    for item in placed:
        reach = 0.5 * min(item[2].height, median_height * 1.5)
        if groups and abs(item[1] - _level(groups[-1])) < reach and not _overlaps(groups[-1], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    result = []
    for group in groups:
        pieces = tuple(
            Piece(
                text=box.text[:TEXT_MAX],
                score=box.score,
                x0=(x - box.width / 2 - left) / span,
                x1=(x + box.width / 2 - left) / span,
                height=box.height / median_height,
                box=seen_box(box.quad, page),
                quad=box.quad,
                doubt=box.doubt,
                part=page.part,
            )
            for x, _, box in sorted(group, key=lambda item: item[0])
        )
        y = (_level(group) - top) / (bottom - top) if bottom > top else 0.0
        result.append(Row(page=page.page, y=y, pieces=pieces))
    return result


def seen_box(quad: Sequence[Point], page: PageText) -> Box:
    """Map a quadrilateral of the upright paper back to the page as it was handed in, as fractions."""
    places = []
    for x_px, y_px in quad:
        x, y = x_px / page.width_px, y_px / page.height_px
        if page.rotation_deg == 90:
            x, y = 1 - y, x
        elif page.rotation_deg == 180:
            x, y = 1 - x, 1 - y
        elif page.rotation_deg == 270:
            x, y = y, 1 - x
        places.append(on_page(page.paper, x, y))
    xs, ys = ([min(max(place[axis], 0.0), 1.0) for place in places] for axis in (0, 1))
    return (round(min(xs), 4), round(min(ys), 4), round(max(xs), 4), round(max(ys), 4))


def on_page(paper: Quad, x: float, y: float) -> Point:
    """Map a point of a straightened paper, in fractions, to the page: the projective map of the unit square onto `paper`."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = paper
    sum_x, sum_y = ax - bx + cx - dx, ay - by + cy - dy
    right_x, right_y, below_x, below_y = bx - cx, by - cy, dx - cx, dy - cy
    det = right_x * below_y - below_x * right_y
    if abs(det) < 1e-12:  # no area: nothing to map
        return ax, ay
    g = (sum_x * below_y - below_x * sum_y) / det
    h = (right_x * sum_y - sum_x * right_y) / det
    far = g * x + h * y + 1.0
    return (
        ((bx - ax + g * bx) * x + (dx - ax + h * dx) * y + ax) / far,
        ((by - ay + g * by) * x + (dy - ay + h * dy) * y + ay) / far,
    )


def _tilt(boxes: Sequence[TextBox]) -> float:
    """Median slope of the wide boxes, in radians; short ones say nothing about the tilt."""
    slopes = [
        math.atan2(box.quad[1][1] - box.quad[0][1], box.quad[1][0] - box.quad[0][0])
        for box in boxes
        if box.width > 3 * box.height
    ]
    return statistics.median(slopes) if slopes else 0.0


def _centre(box: TextBox, cos: float, sin: float) -> Point:
    x = sum(point[0] for point in box.quad) / 4
    y = sum(point[1] for point in box.quad) / 4
    return (x * cos - y * sin, x * sin + y * cos)


def _level(group: Sequence[tuple[float, float, TextBox]]) -> float:
    return statistics.fmean(y for _, y, _ in group)


def _overlaps(group: Sequence[tuple[float, float, TextBox]], item: tuple[float, float, TextBox]) -> bool:
    """Whether the box stands above or below one of the row rather than beside it."""
    x, _, box = item
    for other_x, _, other in group:
        shared = min(x + box.width / 2, other_x + other.width / 2) - max(x - box.width / 2, other_x - other.width / 2)
        if shared > 0.5 * min(box.width, other.width):
            return True
    return False

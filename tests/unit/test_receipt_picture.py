"""Papers on a picture: found, straightened, and told apart; shadows and scans are left alone."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
for place in (REPOSITORY / "scripts", REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from receipt_picture import WHOLE, papers, straightened  # noqa: E402

from generated_facts import invent  # noqa: E402
from generated_layouts import LAYOUTS  # noqa: E402
from generated_paper import set_in_type  # noqa: E402
from generated_scenes import KINDS, on_table, scene  # noqa: E402


def paper(seed: int) -> Image.Image:
    facts = invent(random.Random(seed), "meals", "MYR")
    return set_in_type(LAYOUTS["till"](facts, random.Random(seed)), "sans", 640, 28)[0]


def bgr(picture: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])


@pytest.mark.parametrize("seed", range(4))
def test_a_paper_on_a_table_is_found_and_straightened(seed: int) -> None:
    sheet = paper(seed)
    found = papers(bgr(on_table([sheet], random.Random(seed))))
    assert len(found) == 1
    assert found[0].quad != WHOLE
    height, width = found[0].picture.shape[:2]
    assert height / width == pytest.approx(sheet.height / sheet.width, rel=0.25)
    assert found[0].picture.mean() > 180  # paper, and hardly any table


def test_two_papers_on_a_table_are_two() -> None:
    found = papers(bgr(on_table([paper(1), paper(2)], random.Random(1))))
    assert len(found) == 2
    left, right = sorted(([x for x, _ in one.quad] for one in found), key=min)
    assert max(left) < min(right)


def test_a_scan_is_one_paper() -> None:
    assert len(papers(bgr(paper(3)))) == 1


def test_a_small_receipt_on_a_white_page_is_cut_out() -> None:
    page = Image.new("L", (1600, 2200), 255)
    page.paste(paper(4), (300, 200))
    (found,) = papers(bgr(page))
    (x0, y0), _, (x1, y1), _ = found.quad
    assert 0 < x0 <= 345 / 1600 + 0.01
    assert y0 > 0
    assert 890 / 1600 <= x1 < 0.65
    assert y1 < 0.75


def test_a_shadow_is_no_paper() -> None:
    sheet = np.asarray(paper(5), np.float32)
    sheet[:, : sheet.shape[1] // 2] *= 0.55
    (found,) = papers(bgr(Image.fromarray(sheet.astype(np.uint8))))
    assert min(x for x, _ in found.quad) < 0.1  # the dark half has print, and is not cut off
    assert max(x for x, _ in found.quad) > 0.9


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_an_empty_picture_is_one_paper(grey: int) -> None:
    (found,) = papers(np.full((300, 200, 3), grey, np.uint8))
    assert found.quad == WHOLE


def test_the_picture_of_a_paper_can_be_had_again() -> None:
    picture = bgr(on_table([paper(6)], random.Random(6)))
    (found,) = papers(picture)
    assert np.array_equal(straightened(picture, found.quad), found.picture)


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_scene_is_the_same_for_the_same_seed(kind: str) -> None:
    assert scene(kind, 3) == scene(kind, 3)
    assert scene(kind, 3).data != scene(kind, 4).data

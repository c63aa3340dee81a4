"""The receipt reader on real pixels: a few generated receipts by OCR, and a PDF by its text."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
MODEL_FOLDER = REPOSITORY / "automations" / "expenses" / "models" / "receipt-reader"
SROIE = REPOSITORY.parent / "shared" / "data" / "sroie" / "dev"
for place in (REPOSITORY / "scripts", MODEL_FOLDER):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from predictor import FIELDS, Predictor, UnreadableDocument  # noqa: E402
from receipt_confidence import CalibrationMismatch, load  # noqa: E402
from receipt_ocr import PageReader  # noqa: E402

from generated_facts import Facts, invent  # noqa: E402
from generated_layouts import LAYOUTS  # noqa: E402
from generated_paper import photographed, picture_bytes, set_in_type, written_pdf  # noqa: E402
from generated_scenes import KINDS, on_table, scene  # noqa: E402
from sroie_readings import labelled  # noqa: E402

Read = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODEL_FOLDER)


@pytest.fixture
def read(predictor: Predictor) -> Read:
    def read_files(*files: tuple[str, bytes]) -> dict[str, Any]:
        named = {f"doc_{index}": (name, data) for index, (name, data) in enumerate(files)}
        documents = [{"id": key, "filename": name} for key, (name, _) in named.items()]
        return predictor.predict({"documents": documents}, {key: data for key, (_, data) in named.items()})

    return read_files


def facts_for(seed: int, currency: str) -> Facts:
    return invent(random.Random(seed), "meals", currency)


def paper_for(facts: Facts, layout: str) -> Image.Image:
    (paper,) = set_in_type(LAYOUTS[layout](facts, random.Random(1)), "sans", 640, 28)
    return paper


def assert_read(outcome: dict[str, Any], facts: Facts) -> None:
    assert outcome["total"]["value"] == f"{facts.total:.2f}"
    assert outcome["date"]["value"] == facts.day.isoformat()
    assert outcome["currency"]["value"] == facts.region.currency
    for field in FIELDS:
        found = outcome[field]
        if found is not None:
            x0, y0, x1, y1 = found["box"]
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1
            assert 0 < found["confidence"] < 1
            assert found["page"] >= 1
    assert isinstance(outcome["trusted"], bool)
    assert outcome["reasons"]
    assert 0 <= outcome["confidence"] <= 1


def test_a_photographed_receipt_is_read(read: Read) -> None:
    facts = facts_for(11, "MYR")
    rng = random.Random(2)
    outcome = read(("a.jpg", picture_bytes(photographed(paper_for(facts, "till"), rng, hard=0.5), "jpg", rng)))
    assert_read(outcome, facts)
    assert outcome["receipt_number"]["value"] == facts.number.upper()
    assert outcome["pages"] == 1
    assert outcome["text_layer"] is False


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180])
def test_a_receipt_the_wrong_way_up_is_read_and_its_boxes_stay_where_they_are(
    read: Read, turn: Image.Transpose
) -> None:
    facts = facts_for(12, "SGD")
    paper = paper_for(facts, "till")
    upright = read(("a.png", picture_bytes(paper, "png", random.Random(1))))
    turned = read(("a.png", picture_bytes(paper.transpose(turn), "png", random.Random(1))))
    assert_read(turned, facts)
    x0, y0, x1, y1 = upright["total"]["box"]
    expected = [y0, 1 - x1, y1, 1 - x0] if turn is Image.Transpose.ROTATE_90 else [1 - x1, 1 - y1, 1 - x0, 1 - y0]
    assert turned["total"]["box"] == pytest.approx(expected, abs=0.02)


READ_RIGHT = [kind for kind in KINDS if kind != "refund" and not kind.startswith("two-")]


@pytest.mark.parametrize("kind", READ_RIGHT)
def test_a_receipt_of_daily_life_is_read(read: Read, kind: str) -> None:
    drawn = scene(kind, 1)
    outcome = read((f"a.{drawn.suffix}", drawn.data))
    found = {name: (outcome[name] or {}).get("value") for name in ("date", "total", "currency")}
    assert found == {"date": drawn.date, "total": drawn.total, "currency": drawn.currency}
    assert outcome["several_receipts"] is False
    assert outcome["text_layer"] is (kind == "pdf-text")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("two-")])
def test_several_receipts_are_told_apart_and_never_trusted(read: Read, kind: str) -> None:
    for seed in (1, 2):
        drawn = scene(kind, seed)
        outcome = read((f"a.{drawn.suffix}", drawn.data))
        assert outcome["several_receipts"] is True
        assert (outcome["trusted"], outcome["supports_claim"]) == (False, False)
        assert "There are several receipts that look different." in outcome["reasons"]


def test_money_that_went_back_is_not_trusted(read: Read) -> None:
    for seed in (2, 3):
        drawn = scene("refund", seed)
        outcome = read((f"a.{drawn.suffix}", drawn.data))
        assert outcome["total"]["value"] == drawn.total
        assert drawn.total.startswith("-")
        assert outcome["trusted"] is False


def test_a_box_on_a_tilted_paper_is_where_its_text_is_on_the_picture(read: Read) -> None:
    facts = facts_for(15, "MYR")
    picture = on_table([paper_for(facts, "till")], random.Random(3))
    outcome = read(("a.png", picture_bytes(picture, "png", random.Random(1))))
    assert_read(outcome, facts)
    x0, y0, x1, y1 = outcome["total"]["box"]
    margin = 0.01
    place = (
        round((x0 - margin) * picture.width),
        round((y0 - margin) * picture.height),
        round((x1 + margin) * picture.width),
        round((y1 + margin) * picture.height),
    )
    alone = PageReader(threads=1).read(np.asarray(picture.crop(place).convert("RGB")), 1)
    assert f"{facts.total:.2f}" in " ".join(box.text for page in alone for box in page.boxes)


def test_a_pdf_with_text_is_read_without_ocr(read: Read) -> None:
    facts = facts_for(13, "GBP")
    outcome = read(("a.pdf", written_pdf(LAYOUTS["folio"](facts, random.Random(1)))))
    assert_read(outcome, facts)
    assert outcome["text_layer"] is True
    assert outcome["pages"] == 2
    assert outcome["total"]["page"] == 2


def test_the_pages_of_several_documents_are_one_receipt(read: Read) -> None:
    facts = facts_for(14, "USD")
    blank = io.BytesIO()
    Image.new("L", (300, 300), 255).save(blank, "PNG")
    outcome = read(("cover.png", blank.getvalue()), ("a.pdf", written_pdf(LAYOUTS["invoice"](facts, random.Random(1)))))
    assert_read(outcome, facts)
    assert outcome["total"]["page"] == 2


def test_a_blank_page_is_read_as_nothing_and_not_trusted(read: Read) -> None:
    blank = io.BytesIO()
    Image.new("L", (300, 300), 255).save(blank, "PNG")
    outcome = read(("blank.png", blank.getvalue()))
    assert [outcome[field] for field in FIELDS] == [None] * len(FIELDS)
    assert (outcome["trusted"], outcome["confidence"]) == (False, 0.0)
    assert "No total was found." in outcome["reasons"]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.jpg", b"only text", "document.unsupported"),
        ("a.jpg", b"", "input.invalid"),
        ("a.pdf", b"%PDF-1.4 broken", "document.unsafe"),
    ],
)
def test_a_document_that_cannot_be_opened_is_named(read: Read, name: str, data: bytes, code: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        read((name, data))
    assert caught.value.code == code
    assert name in caught.value.message


def test_a_request_without_its_documents_is_refused(predictor: Predictor) -> None:
    with pytest.raises(UnreadableDocument, match="names no document"):
        predictor.predict({"documents": []}, {})
    with pytest.raises(UnreadableDocument, match="doc_1 was not handed over"):
        predictor.predict({"documents": [{"id": "doc_1"}]}, {})


def test_a_calibration_of_other_ocr_settings_is_refused(tmp_path: Path) -> None:
    stored = (MODEL_FOLDER / "calibration.json").read_text(encoding="utf-8")
    other = tmp_path / "calibration.json"
    other.write_text(stored.replace('"ocr_settings": "', '"ocr_settings": "0'), encoding="utf-8")
    with pytest.raises(CalibrationMismatch, match="train_receipt_reader"):
        load(other)


def test_real_receipts_are_read(read: Read) -> None:
    if not SROIE.exists():
        pytest.skip(f"the SROIE data set is not at {SROIE}: real receipts were NOT read")
    chosen = labelled(SROIE)[::160]
    right = 0
    for receipt in chosen:
        outcome = read((receipt.picture.name, receipt.picture.read_bytes()))
        total = receipt.total.replace("RM", "").replace("$", "").strip()
        right += outcome["total"] is not None and outcome["total"]["value"] == total
        assert outcome["currency"]["value"] == "MYR"
    assert right >= len(chosen) - 1

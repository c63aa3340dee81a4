"""Generated receipts: the same seed gives the same, and what is printed adds up."""

from __future__ import annotations

import json
import random
import sys
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

from generate_receipts import EMPLOYEES, Sample, claims, generate  # noqa: E402
from generated_facts import CATEGORIES, REGIONS, invent  # noqa: E402
from generated_layouts import LAYOUTS  # noqa: E402
from generated_paper import written_pdf  # noqa: E402
from interlock.data.documents import inspect, render  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Sample]]:
    folder = tmp_path_factory.mktemp("receipts")
    return folder, generate(12, 5, folder)


def test_every_file_is_a_document_that_we_accept(made: tuple[Path, list[Sample]]) -> None:
    folder, samples = made
    assert len(samples) == 12
    for sample in samples:
        info = inspect((folder / sample.file).read_bytes(), sample.file)
        assert info.width > 200


def test_the_same_seed_gives_the_same_bytes(made: tuple[Path, list[Sample]], tmp_path: Path) -> None:
    folder, samples = made
    again = generate(4, 5, tmp_path)
    assert again == samples[:4]  # a receipt does not depend on how many follow
    for sample in again:
        assert (tmp_path / sample.file).read_bytes() == (folder / sample.file).read_bytes()


def test_another_seed_gives_others(made: tuple[Path, list[Sample]], tmp_path: Path) -> None:
    assert {sample.receipt_number for sample in generate(3, 6, tmp_path)}.isdisjoint(
        sample.receipt_number for sample in made[1]
    )


def test_the_truth_is_written_beside_the_receipts(made: tuple[Path, list[Sample]]) -> None:
    folder, samples = made
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert [entry["file"] for entry in truth] == [sample.file for sample in samples]
    assert set(truth[0]) >= {"merchant", "date", "total", "currency", "tax", "receipt_number", "category"}


def test_claims_hold_one_duplicate_and_one_without_a_claim(made: tuple[Path, list[Sample]]) -> None:
    folder, samples = made
    handed_in = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    kinds = [entry["kind"] for entry in handed_in]
    assert (kinds.count("missing"), kinds.count("duplicate")) == (1, 1)
    by_file = {sample.file: sample for sample in samples}
    for entry in handed_in:
        if entry["kind"] in {"honest", "duplicate"}:
            assert entry["claim"]["amount"] == by_file[entry["file"]].total
        elif entry["kind"] == "inflated":
            assert Decimal(entry["claim"]["amount"]) > Decimal(by_file[entry["file"]].total)
        else:
            assert entry["claim"] is None
    (duplicate,) = [entry for entry in handed_in if entry["kind"] == "duplicate"]
    (first,) = [entry for entry in handed_in if entry["file"] == duplicate["file"] and entry is not duplicate]
    assert first["claim"]["employee"] != duplicate["claim"]["employee"]
    assert first["claim"]["submitted_on"] > first["claim"]["date"]


def test_claims_are_made_by_people_whom_the_automation_knows() -> None:
    people = tomllib.loads((SCRIPTS.parent / "automations/expenses/data/people.toml").read_text(encoding="utf-8"))
    assert {employee.removeprefix("user:") for employee in EMPLOYEES} <= people.keys()


def test_some_of_many_claims_are_inflated() -> None:
    sample = Sample(
        file="a",
        layout="till",
        medium="photo",
        merchant="m",
        date="2024-01-01",
        total="10.00",
        currency="USD",
        tax="1.00",
        receipt_number="1",
        category="meals",
    )
    kinds = [entry["kind"] for entry in claims([sample] * 200, 1)]
    assert 10 < kinds.count("inflated") < 60


@pytest.mark.parametrize("currency", list(REGIONS))
@pytest.mark.parametrize("category", CATEGORIES)
def test_what_is_printed_adds_up(currency: str, category: str) -> None:
    for seed in range(20):
        facts = invent(random.Random(seed), category, currency)
        on_top = facts.tax if facts.region.tax_on_top else Decimal(0)
        assert facts.gross + on_top + facts.rounding == facts.total
        assert facts.total > 0
        assert abs(facts.rounding) <= Decimal("0.05")
        assert facts.cash is None or facts.cash >= facts.total


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_prints_the_facts_that_matter(layout: str) -> None:
    facts = invent(random.Random(3), "lodging", "MYR")
    lines = LAYOUTS[layout](facts, random.Random(3))
    printed = "\n".join(f"{line.left} {line.right} {line.middle}" for line in lines)
    assert facts.merchant.upper() in printed.upper()
    assert facts.date_text in printed
    assert facts.number in printed
    assert facts.money(facts.total) in printed


def test_a_written_pdf_holds_its_text() -> None:
    facts = invent(random.Random(3), "lodging", "GBP")
    pages = list(render(written_pdf(LAYOUTS["folio"](facts, random.Random(3))), "a.pdf"))
    text = " ".join(run.text for page in pages for run in page.runs)
    assert len(pages) == 2
    assert facts.number in text
    assert facts.money(facts.total) in text


@pytest.mark.parametrize("count", [0, -1, 10_001])
def test_an_absurd_count_is_refused(count: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="between 1 and 10000"):
        generate(count, 1, tmp_path)

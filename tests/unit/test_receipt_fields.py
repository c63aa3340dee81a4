"""The reader's rules on lines made by hand: no picture and no OCR."""

from __future__ import annotations

import json
import math
import sys
import time
import tomllib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

MODEL_FOLDER = Path(__file__).parents[2] / "automations" / "expenses" / "models" / "receipt-reader"
if str(MODEL_FOLDER) not in sys.path:  # where the process runtime puts it, too
    sys.path.insert(0, str(MODEL_FOLDER))

from receipt_amounts import agreements, amounts, parse, role_of  # noqa: E402
from receipt_confidence import doubts  # noqa: E402
from receipt_confidence import load as load_calibration  # noqa: E402
from receipt_country import country, currency  # noqa: E402
from receipt_dates import date_candidates, dates  # noqa: E402
from receipt_fields import Draft, draft, logit  # noqa: E402
from receipt_layout import Look, PageText, Piece, Row, TextBox, on_page, rows, seen_box  # noqa: E402
from receipt_number import receipt_number  # noqa: E402
from receipt_ranking import Opinions, load, mixed  # noqa: E402
from receipt_total import tax, total_candidates  # noqa: E402

RANKERS = load(MODEL_FOLDER / "rankers")

CASH_RECEIPT = """
TWO PALMS TRADING SDN BHD
No 3, Jalan Satu, 40000 Shah Alam, Selangor
GST ID No: 000123456789
Invoice No: A-10233
Date: 05/03/2018 | 14:22
Soap | 4.50
Rice 5kg | 21.90
Sub Total | 26.40
GST 6% | 1.58
Rounding | 0.02
Total | RM 28.00
Cash | 50.00
Change | 22.00
"""


def page_of(text: str, *, tilt: float = 0.0) -> PageText:
    """Lay the lines of a text on a page of 600 px: pieces parted by | go from left to right, the last to the right edge."""
    boxes = []
    lines = [line for line in text.strip().splitlines() if line.strip()]
    cos, sin = math.cos(tilt), math.sin(tilt)
    for index, line in enumerate(lines):
        pieces = [piece.strip() for piece in line.split("|")]
        for place, piece in enumerate(pieces):
            width = 9.0 * len(piece)
            last = place == len(pieces) - 1 and place > 0
            x0 = 580 - width if last else 20 + place * 150.0
            y0 = 40 + 30.0 * index
            corners = [(x0, y0), (x0 + width, y0), (x0 + width, y0 + 20), (x0, y0 + 20)]
            a, b, c, d = [(x * cos - y * sin, x * sin + y * cos) for x, y in corners]
            boxes.append(TextBox(text=piece, score=0.99, quad=(a, b, c, d)))
    return PageText(
        page=1, width_px=600, height_px=60 + 30 * len(lines), rotation_deg=0, from_text_layer=False, boxes=tuple(boxes)
    )


def lines_of(text: str) -> list[Row]:
    return rows(page_of(text))


def read(text: str) -> Draft:
    return draft([page_of(text)], RANKERS)


def value(reading: Draft, field: str) -> str | None:
    choice = getattr(reading, field)
    return choice.value if choice else None


def test_a_whole_receipt_is_read() -> None:
    reading = read(CASH_RECEIPT)
    assert value(reading, "merchant") == "TWO PALMS TRADING SDN BHD"
    assert value(reading, "date") == "2018-03-05"
    assert value(reading, "total") == "28.00"
    assert value(reading, "currency") == "MYR"
    assert value(reading, "tax") == "1.58"
    assert value(reading, "receipt_number") == "A-10233"
    assert reading.total is not None
    assert reading.total.support >= 2  # cash less change, and subtotal with tax and rounding


def test_nothing_is_read_from_nothing() -> None:
    reading = draft([page_of("")], RANKERS)
    assert reading == Draft(merchant=None, date=None, total=None, currency=None, tax=None, receipt_number=None)


def test_each_place_is_that_of_its_text() -> None:
    reading = read(CASH_RECEIPT)
    assert reading.total is not None
    x0, y0, x1, y1 = reading.total.box
    height = 60 + 30 * 13
    assert y0 == pytest.approx((40 + 30 * 10) / height, abs=0.002)
    assert x1 == pytest.approx(580 / 600, abs=0.002)
    assert x0 < x1
    assert y0 < y1


@pytest.mark.parametrize("tilt", [-0.08, 0.0, 0.08])
def test_rows_survive_a_tilted_paper(tilt: float) -> None:
    found = [row.text for row in rows(page_of(CASH_RECEIPT, tilt=tilt))]
    assert "Cash  50.00" in found
    assert "Total  RM 28.00" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.30", "12.30"),
        ("12,30", "12.30"),
        ("RM1,234.50", "1234.50"),
        ("1.234,50 EUR", "1234.50"),
        ("$ 8.20", "8.20"),
        ("6 .50", "6.50"),
        ("RMO.01", "0.01"),
        ("RMI11.90", "111.90"),
        ("-5.59", "-5.59"),
        ("0.02-", "-0.02"),
        ("RM 45", "45.00"),
        ("¥1,080", "1080.00"),
        ("-JPY 500", "-500.00"),
        ("25.00 SR", "25.00"),
    ],
)
def test_amounts_are_understood(text: str, expected: str) -> None:
    assert [str(found[0]) for found in parse(text)] == [expected]


@pytest.mark.parametrize(
    "text", ["12/03/2018", "12.03.2018", "10:27", "6.00%", "23.456", "03-4162-2318", "A12.5", "000204", "2 x 3"]
)
def test_what_is_no_amount_is_left_alone(text: str) -> None:
    assert parse(text) == []


@given(st.decimals(min_value=0, max_value=999999, places=2))
def test_every_printed_amount_is_read_back(amount: Decimal) -> None:
    assert [found[0] for found in parse(f"{amount:.2f}")] == [amount]
    assert [found[0] for found in parse(f"RM{amount:,.2f}")] == [amount]


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("TOTAL", "total"),
        ("T0TAL", "total"),
        ("Grand Total", "payable"),
        ("Amount Due", "payable"),
        ("Total Sales (Inclusive GST)", "including"),
        ("Total Rounded", "rounded"),
        ("Total (Excluding GST)", "excluding"),
        ("Sub-Total", "subtotal"),
        ("Total Qty", "quantity"),
        ("Rounding Adj", "rounding"),
        ("GST 6%", "tax"),
        ("incl. VAT 20%", "tax"),
        ("SST", "tax"),
        ("Cash Tendered", "cash"),
        ("CHANGE", "change"),
        ("Baki", "change"),
        ("Discount", "saving"),
        ("SUMME", "total"),
        ("Zwischensumme", "subtotal"),
        ("Rueckgeld", ""),
        ("Summer Goat Milk", ""),
        ("123", ""),
    ],
)
def test_labels_have_roles(label: str, role: str) -> None:
    assert role_of(label) == role


def test_what_is_called_rounding_but_is_large_is_the_rounded_total() -> None:
    found = amounts(lines_of("Total Sales (Inclusive GST) RM | 37.44\nRounding RM | 37.45\nRounding | 0.01"))
    assert [(str(amount.value), amount.role) for amount in found] == [
        ("37.44", "including"),
        ("37.45", "rounded"),
        ("0.01", "rounding"),
    ]


def test_an_amount_takes_its_name_from_the_row_above_when_its_own_row_has_none() -> None:
    found = amounts(lines_of("Tea | 4.00\nGRAND TOTAL\n12.30"))
    assert [(str(amount.value), amount.role) for amount in found] == [("4.00", ""), ("12.30", "payable")]


def test_arithmetic_supports_what_it_adds_up_to() -> None:
    agreed = agreements(amounts(lines_of(CASH_RECEIPT)))
    assert Decimal("28.00") in agreed.paid
    assert Decimal("28.00") in agreed.built
    assert Decimal("26.40") in agreed.items
    assert agreed.count(Decimal("28.00")) == 2
    assert agreed.count(Decimal("50.00")) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Soap | 4.50\nTotal | 4.50\nCash | 10.00\nChange | 5.50", "4.50"),
        (
            "Soap | 4.48\nSubtotal | 4.48\nRounding | 0.02\nTotal after rounding | 4.50\nCash | 50.00\nChange | 45.50",
            "4.50",
        ),
        ("Tea | 9.00\nSub Total | 9.00\nService Charge 10% | 0.90\nTotal | 9.90\nVISA | 9.90", "9.90"),
        (
            "Part A | 10.00\nTotal 0% supplies | 10.00\nTotal 6% supplies (Inc. GST) | 5.30\nTotal Payable | 15.30",
            "15.30",
        ),
        (
            "Soap | 4.50\nRice | 8.00\nTotal Qty | 2.00\nTotal | 12.50\nGST Summary | Amount | Tax\nTotal | 11.79 | 0.71",
            "12.50",
        ),
    ],
)
def test_the_total_is_what_was_to_pay(text: str, expected: str) -> None:
    assert value(read(text), "total") == expected


def test_amounts_over_the_total_are_told() -> None:
    assert read(CASH_RECEIPT).larger_amounts == ("50.00",)
    assert read("SHOP\nTotal Qty | 99.00\nTotal | 4.50").larger_amounts == ()


def test_a_lone_number_has_no_support() -> None:
    reading = read("SOMEWHERE\nTotal | 12.30")
    assert reading.total is not None
    assert (reading.total.value, reading.total.support) == ("12.30", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("05/03/2018", "2018-03-05"),
        ("25-12-18", "2018-12-25"),
        ("2018-03-05", "2018-03-05"),
        ("5 MAR 2018", "2018-03-05"),
        ("24-MAR-2018", "2018-03-24"),
        ("Mar 5, 2018", "2018-03-05"),
        ("22 0ctober 2025", "2025-10-22"),
        ("O5/O3/2O18", "2018-03-05"),
        ("25032018", "2018-03-25"),
        ("13.05.2018", "2018-05-13"),
        ("Date:15/03/201812:30", "2018-03-15"),
        ("DD: 15/10/20 17", "2017-10-15"),
        ("15/10/20 17:30", "2020-10-15"),
        ("ORD #50 -REG #19- 02/03/2018 10:27:03", "2018-03-02"),
        ("12/31/2024", "2024-12-31"),
    ],
)
def test_dates_are_understood(text: str, expected: str) -> None:
    assert [found.value.isoformat() for found in dates(lines_of(text))] == [expected]


@pytest.mark.parametrize(
    "text", ["20/03/201", "03/0:/2018", "25/10/20:7", "31/02/2018", "12.50", "03-4162-2318", "01/01/1999", "2/12/240"]
)
def test_what_is_no_date_is_not_guessed(text: str) -> None:
    assert dates(lines_of(text)) == []


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2049, 12, 31)))
def test_every_date_is_read_back_in_every_notation(day: date) -> None:
    for notation in ("%d/%m/%Y", "%d-%m-%Y", "%Y-%m-%d", "%d %b %Y", "%d %B %Y"):
        found = date_candidates(lines_of(f"Date: {day.strftime(notation)} | 12:30"), True)
        assert [candidate.value for candidate in found] == [day], notation


def test_the_order_of_day_and_month_goes_by_evidence() -> None:
    alone = date_candidates(lines_of("03/04/2024"), None)
    assert [(c.value.isoformat(), c.order_known) for c in alone] == [("2024-04-03", False)]
    by_country = date_candidates(lines_of("03/04/2024"), False)
    assert [(c.value.isoformat(), c.order_known) for c in by_country] == [("2024-03-04", True)]
    by_another = date_candidates(lines_of("03/04/2024\nprinted Mar 4, 2024"), None)
    assert [(c.value.isoformat(), c.order_known) for c in by_another] == [("2024-03-04", True)]


def test_the_date_of_expiry_is_not_that_of_purchase() -> None:
    assert (
        value(read("SHOP SDN BHD\nDate: 05/03/2018 | 10:00\nVoucher valid until 31/12/2018\nTotal | 5.00"), "date")
        == "2018-03-05"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Total RM 5.00", "MYR"),
        ("TWO PALMS SDN BHD\nJalan Satu\nTotal 5.00", "MYR"),
        ("Total EUR 5,00", "EUR"),
        ("Total S$5.00", "SGD"),
        ("Total £5.00", "GBP"),
        ("Total ¥1,080", "JPY"),
        ("Via Roma 1\nItalia\nTotale 5,00", "EUR"),
        ("12 Elm St\nAustin, TX 78701\nSales Tax 0.40\nTotal $5.00", "USD"),
        ("TWO PALMS SDN BHD\nTotal $5.00", "MYR"),
        ("Total $5.00", None),
        ("Total 5.00", None),
        ("Total RM 5.00\nor EUR 1.00", None),
    ],
)
def test_the_currency_needs_evidence(text: str, expected: str | None) -> None:
    found = currency(lines_of(text))
    assert (found.code if found else None) == expected


def test_a_country_needs_more_evidence_than_another() -> None:
    assert country(lines_of("Singapore\nMalaysia")) is None
    assert country(lines_of("Austin, TX 78701")) == ("US", False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Receipt No: INV6106953", "INV6106953"),
        ("INV# 003281900229170", "003281900229170"),
        ("Bill No | cs8462573", "CS8462573"),
        ("Doc No | CS00241999 | Date | 03/04/2018", "CS00241999"),
        ("INV NO/DATE:15403-119386(29/07/2016)", "15403-119386"),
        ("Datum | Beleg-Nr.\n24.03.2018 | A6083385", "A6083385"),
        ("GST Reg No: 000123456789\nTel No. 03-41622318", None),
        ("NO 19-G, JALAN SATU", None),
        ("Thank you", None),
    ],
)
def test_the_receipt_number_goes_by_its_name(text: str, expected: str | None) -> None:
    found = receipt_number(lines_of(text))
    assert (found.value if found else None) == expected


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [
        ("Total incl. GST 6% | 10.60\nGST 6% | 0.60", "10.60", ("0.60", "rate")),
        ("Total Excl | 10.00\nTax amount | 0.60\nTotal | 10.60", "10.60", ("0.60", "parts")),
        ("Tax amount | 0.61\nTotal | 10.60", "10.60", ("0.61", "name")),
        ("Service Charge 10% | 0.96\nTotal | 10.60", "10.60", None),
        ("Total | 10.60", "10.60", None),
    ],
)
def test_the_tax_goes_by_arithmetic_first(text: str, total: str, expected: tuple[str, str] | None) -> None:
    lines = lines_of(text)
    found = tax(amounts(lines), lines, Decimal(total))
    assert ((str(found.value), found.evidence) if found else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BLUE HERON HARDWARE &\nELECTRICAL SDN BHD\nNo 1, Jalan Dua", "BLUE HERON HARDWARE & ELECTRICAL SDN BHD"),
        ("TAX INVOICE\nBLUE HERON CAFE\nTel: 03-1234567", "BLUE HERON CAFE"),
        ("BLUE HERON TRADING (123456-X)\nJalan Dua", "BLUE HERON TRADING"),
        ("Blue Heron Ltd |  |  | INVOICE\n8 Quay Lane", "Blue Heron Ltd"),
    ],
)
def test_the_merchant_is_the_name_at_the_top(text: str, expected: str) -> None:
    assert value(read(text + "\nDate: 05/03/2018\nTotal | 5.00"), "merchant") == expected


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [(0, (0.1, 0.2, 0.3, 0.4)), (90, (0.6, 0.1, 0.8, 0.3)), (180, (0.7, 0.6, 0.9, 0.8)), (270, (0.2, 0.7, 0.4, 0.9))],
)
def test_a_box_is_given_on_the_page_as_it_came(rotation: int, expected: tuple[float, ...]) -> None:
    page = PageText(page=1, width_px=100, height_px=100, rotation_deg=rotation, from_text_layer=False, boxes=())
    assert seen_box(((10, 20), (30, 20), (30, 40), (10, 40)), page) == pytest.approx(expected)


@given(st.tuples(*[st.floats(0, 0.24)] * 8), st.floats(0, 1), st.floats(0, 1))
def test_a_place_on_a_paper_lies_within_it_on_the_page(give: tuple[float, ...], x: float, y: float) -> None:
    a, b, c, d, e, f, g, h = give
    paper = ((a, b), (1 - c, d), (1 - e, 1 - f), (g, 1 - h))
    for corner, place in zip(paper, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True):
        assert on_page(paper, *place) == pytest.approx(corner, abs=1e-6)
    px, py = on_page(paper, x, y)
    assert min(a, g) - 1e-6 <= px <= max(1 - c, 1 - e) + 1e-6
    assert min(b, d) - 1e-6 <= py <= max(1 - f, 1 - h) + 1e-6


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(-9, 9)), min_size=1, max_size=8))
def test_beliefs_are_a_distribution_and_follow_models_that_agree(said: list[tuple[float, float, float]]) -> None:
    forest, boosting, logits = zip(*said, strict=True)
    found = mixed(Opinions(forest=forest, boosting=boosting, logit=logits), (0.25, 0.25, 0.5))
    assert sum(belief.share for belief in found) == pytest.approx(1.0)
    assert all(0 <= belief.apart <= 1 for belief in found)
    for one, other in combinations(range(len(said)), 2):
        if all(a >= b for a, b in zip(said[one], said[other], strict=True)):
            assert found[one].share >= found[other].share - 1e-9


def test_a_look_that_reads_another_digit_is_evidence_against_the_choice() -> None:
    def again(_page: int, piece: Piece) -> list[Look]:
        return [Look(text=piece.text.replace("28.00", "23.00"), doubt=0.3)]

    sure, unsure = read(CASH_RECEIPT), draft([page_of(CASH_RECEIPT)], RANKERS, again)
    assert sure.total is not None
    assert unsure.total is not None
    assert (sure.total.evidence["reread_differs"], sure.total.evidence["doubt"]) == (0.0, 0.0)
    assert unsure.total.evidence["reread_differs"] == 1.0
    assert unsure.total.evidence["doubt"] == pytest.approx(4 + math.log10(0.3))
    assert not doubts(sure)
    assert any("digit" in reason for reason in doubts(unsure))


def numbered(text: str, number: int) -> PageText:
    return replace(page_of(text), page=number)


def test_pages_that_are_receipts_of_their_own_are_told() -> None:
    other = CASH_RECEIPT.replace("05/03/2018", "19/04/2018").replace("A-10233", "A-99121").replace("28.00", "31.20")
    assert draft([numbered(CASH_RECEIPT, 1), numbered(other, 2)], RANKERS).several
    assert "There are several receipts that look different." in doubts(
        draft([numbered(CASH_RECEIPT, 1), numbered(other, 2)], RANKERS)
    )


def test_the_pages_of_one_invoice_are_one_receipt() -> None:
    head, foot = CASH_RECEIPT.split("Sub Total")
    second = "Invoice No: A-10233\nDate: 05/03/2018\nSub Total" + foot
    assert not draft([numbered(head, 1), numbered(second, 2)], RANKERS).several
    assert not draft([numbered(CASH_RECEIPT, 1), numbered(CASH_RECEIPT, 2)], RANKERS).several


def test_a_total_that_nobody_could_read_is_a_doubt() -> None:
    reading = read(CASH_RECEIPT.replace("Total | RM 28.00", "Total | RM Z8.aa 1"))
    assert any("no amount that can be read" in reason for reason in doubts(reading))
    assert not any("no amount that can be read" in reason for reason in doubts(read(CASH_RECEIPT)))


@pytest.mark.parametrize(("text", "expected"), [("TOTAL | 78-10", ["78.10"]), ("Grand Total | RM 10 00", ["10.00"])])
def test_a_lost_point_is_found_again_in_a_total(text: str, expected: list[str]) -> None:
    assert [str(found.value) for found in amounts(lines_of(text))] == expected
    assert amounts(lines_of("Soap | 78-10")) == []


def test_an_amount_in_another_currency_is_not_the_total() -> None:
    reading = read(CASH_RECEIPT + "You may pay USD | 99.10")
    assert value(reading, "total") == "28.00"
    assert value(reading, "currency") == "MYR"


@pytest.mark.parametrize("title", ["REFUND", "Credit Note", "GUTSCHRIFT", "*** SALES RETURN ***"])
def test_money_that_went_back_is_below_zero_and_for_a_person(title: str) -> None:
    reading = read(f"{title}\n{CASH_RECEIPT}")
    assert value(reading, "total") == "-28.00"
    assert "The paper says that money went back." in doubts(reading)


@pytest.mark.parametrize("line", ["NO REFUND WITHOUT RECEIPT", "Goods sold are not refundable", "Refund within 7 days"])
def test_the_rules_for_refunds_are_no_refund(line: str) -> None:
    assert value(read(f"{CASH_RECEIPT}\n{line}"), "total") == "28.00"


OTHER_RECEIPT = CASH_RECEIPT.replace("05/03/2018", "19/04/2018").replace("A-10233", "A-99121").replace("28.00", "31.20")


def moved(page: PageText, x: float, y: float) -> tuple[TextBox, ...]:
    return tuple(
        replace(box, quad=tuple((px + x, py + y) for px, py in box.quad))  # type: ignore[arg-type] # mypy loses the length
        for box in page.boxes
    )


@pytest.mark.parametrize(("x", "y"), [(620.0, 0.0), (620.0, 130.0), (0.0, 560.0)])
def test_two_receipts_on_one_page_are_told_apart_by_their_text(x: float, y: float) -> None:
    one, other = page_of(CASH_RECEIPT), page_of(OTHER_RECEIPT)
    both = replace(one, width_px=1300, height_px=1300, boxes=(*one.boxes, *moved(other, x, y)))
    reading = draft([both], RANKERS)
    assert reading.several
    assert value(reading, "total") in {"28.00", "31.20"}


def test_a_slip_of_the_card_below_a_receipt_is_part_of_it() -> None:
    one, slip = page_of(CASH_RECEIPT), page_of("CARD PAYMENT\nDate: 05/03/2018\nApproval | 123456\nTotal | RM 28.00")
    both = replace(one, height_px=1000, boxes=(*one.boxes, *moved(slip, 0.0, 560.0)))
    assert not draft([both], RANKERS).several


def test_two_papers_on_one_picture_are_told_apart_even_where_a_date_cannot_be_read() -> None:
    other = replace(page_of(OTHER_RECEIPT.replace("19/04/2018", "")), part=1)
    assert draft([page_of(CASH_RECEIPT), other], RANKERS).several
    assert not draft([page_of(CASH_RECEIPT), replace(page_of("NOTES\nhello there"), part=1)], RANKERS).several


def test_what_is_printed_is_listed_with_what_it_is_called() -> None:
    assert {("50.00", "cash"), ("22.00", "change"), ("1.58", "tax")} <= set(read(CASH_RECEIPT).printed)


def test_no_gate_trusts_nothing() -> None:
    calibration = load_calibration(MODEL_FOLDER / "calibration.json")
    reading = read(CASH_RECEIPT)
    for gate in (None, replace(calibration.gate, threshold=None) if calibration.gate else None):
        trusted, reasons = replace(calibration, gate=gate).trust(reading)
        assert not trusted
        assert reasons
    assert not replace(calibration, claim_min=None).supports_claim(reading)


def test_several_receipts_and_refunds_support_no_claim_however_low_the_bound_is() -> None:
    calibration = replace(load_calibration(MODEL_FOLDER / "calibration.json"), claim_min=0.0)
    assert calibration.supports_claim(read(CASH_RECEIPT))
    assert not calibration.supports_claim(replace(read(CASH_RECEIPT), several=True))
    assert not calibration.supports_claim(read(f"REFUND\n{CASH_RECEIPT}"))


@given(st.floats(0, 1))
def test_log_odds_stay_in_bounds(share: float) -> None:
    assert -8.0 <= logit(share) <= 8.0


def test_a_page_full_of_amounts_does_not_hang_the_reader() -> None:
    labels = ("Subtotal", "GST", "Rounding", "Discount", "Total", "Cash", "Change", "Soap")
    text = "\n".join(f"{labels[n % 8]} | {n / 2000:.2f}" for n in range(1600))
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 5  # generous: without limits it takes hours


def test_the_artefact_is_small() -> None:
    assert sum(file.stat().st_size for file in MODEL_FOLDER.rglob("*.onnx")) <= 5_000_000


def test_the_figures_in_the_card_are_those_of_the_evaluation() -> None:
    card = tomllib.loads((MODEL_FOLDER / "model.toml").read_text(encoding="utf-8"))["measured"]
    measured = json.loads((MODEL_FOLDER / "evaluation.json").read_text(encoding="utf-8"))["measured"]
    for name in ("total", "date", "merchant", "date_and_total"):
        assert card[f"{name}_right"] == pytest.approx(measured[name]["share"], abs=0.0006)
    assert card["trusted_share"] == pytest.approx(measured["trusted"]["share"], abs=0.0006)
    assert (card["trusted_wrong"], card["receipts"]) == (measured["trusted"]["wrong"], measured["receipts"])


def test_every_total_candidate_is_listed_once() -> None:
    values = [candidate.value for candidate in total_candidates(amounts(lines_of(CASH_RECEIPT)))]
    assert len(values) == len(set(values))

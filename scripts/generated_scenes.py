"""Receipts as they come in daily life: photographed on a table, turned, faint, stamped, two at once, foreign, given back.

Each kind of scene is drawn with a seed of its own; nothing is ever fitted on them. `bench/expenses.py` reads some of each kind.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from generated_facts import MORE_REGIONS, Facts, invent
from generated_layouts import LAYOUTS, Line
from generated_paper import picture_bytes, scanned, set_in_type, typefaces, word_picture, written_pdf

_ROLLS = ("till", "cafe", "columns", "two-line-items", "ticket", "slip")
_MARKS_OF_FEW_TYPEFACES = frozenset("£€¥")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One file with the truth about it. `several`: more than one receipt is on it, and no field has one truth."""

    kind: str
    suffix: str
    data: bytes
    date: str
    total: str
    currency: str
    tax: str
    several: bool = False


Made = tuple[Facts, str, bytes]


def scene(kind: str, seed: int) -> Scene:
    """Draw one scene of a kind of `KINDS`; the same seed gives the same bytes."""
    facts, suffix, data = KINDS[kind](random.Random(f"{kind}/{seed}"))
    sign = -1 if kind == "refund" else 1
    return Scene(
        kind=kind,
        suffix=suffix,
        data=data,
        date=facts.day.isoformat(),
        total=f"{sign * facts.total:.2f}",
        currency=facts.region.currency,
        tax=f"{facts.tax:.2f}",
        several=kind.startswith("two-"),
    )


# The papers.


def _lines(facts: Facts, rng: random.Random, layout: str | None = None) -> list[Line]:
    return LAYOUTS[layout or rng.choice(_ROLLS)](facts, rng)


def _paper(facts: Facts, rng: random.Random, lines: Sequence[Line] | None = None) -> Image.Image:
    rare = set(facts.mark) & _MARKS_OF_FEW_TYPEFACES
    possible = [name for name in typefaces() if "/" in name or not rare]
    if not possible:  # no typeface here has the mark: the code of the currency does
        facts, possible = replace(facts, mark=f"{facts.region.currency} "), list(typefaces())
    width = rng.randint(560, 760)
    chosen = list(lines) if lines is not None else _lines(facts, rng)
    return set_in_type(chosen, rng.choice(possible), width, width // rng.randint(21, 25))[0]


def _noisy(picture: Image.Image, rng: random.Random, spread: float, blur: float) -> Image.Image:
    noise = np.random.default_rng(rng.getrandbits(32))
    seen = np.asarray(picture, np.float32) + noise.normal(0, spread, (picture.height, picture.width))
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))


def _photo(picture: Image.Image, rng: random.Random) -> bytes:
    return picture_bytes(_noisy(picture, rng, rng.uniform(2, 5), rng.uniform(0.3, 0.8)), "jpg", rng)


def on_table(papers: Sequence[Image.Image], rng: random.Random) -> Image.Image:
    """Lay papers beside each other on a dark table and look at them from one side: each is turned and seen in perspective."""
    high = round(max(paper.height for paper in papers) * 1.3)
    slot = round(max(paper.width for paper in papers) * 1.4)
    noise = np.random.default_rng(rng.getrandbits(32))
    grain = np.repeat(noise.normal(0, 7, (high, 1)), slot * len(papers), axis=1)
    table = Image.fromarray(np.clip(rng.uniform(35, 105) + grain, 0, 255).astype(np.uint8))
    for place, paper in enumerate(papers):
        _lay(table, paper, slot * place, slot, rng)
    return table


def _lay(table: Image.Image, paper: Image.Image, left: int, slot: int, rng: random.Random) -> None:
    """Draw one paper into its part of the table."""
    angle, give = math.radians(rng.uniform(-7, 7)), 0.05
    centre = (left + slot / 2, table.height / 2)
    corners = []
    for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        px, py = x * paper.width * (1 + rng.uniform(-give, give)), y * paper.height * (1 + rng.uniform(-give, give))
        corners.append(
            (
                centre[0] + px * math.cos(angle) - py * math.sin(angle),
                centre[1] + px * math.sin(angle) + py * math.cos(angle),
            )
        )
    numbers = _perspective(corners, [(0, 0), (paper.width, 0), (paper.width, paper.height), (0, paper.height)])
    lit = paper.point(lambda level: round(level * 0.93))
    moved = lit.transform(table.size, Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BICUBIC)
    mask = Image.new("L", table.size, 0)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    table.paste(moved, (0, 0), mask)


def _perspective(seen: Sequence[tuple[float, float]], flat: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """The eight numbers that take places of the picture to places on the flat paper."""
    rows, right = [], []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return tuple(float(n) for n in np.linalg.solve(np.array(rows, float), np.array(right, float)))


# The kinds.


def _on_a_table(rng: random.Random) -> Made:
    facts = invent(rng)
    return facts, "jpg", _photo(on_table([_paper(facts, rng)], rng), rng)


def _turned(rng: random.Random) -> Made:
    facts = invent(rng)
    turn = rng.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270))
    return facts, "png", picture_bytes(scanned(_paper(facts, rng), rng).transpose(turn), "png", rng)


def _faint(rng: random.Random) -> Made:
    """Thermal paper that faded, more so in bands across."""
    facts = invent(rng)
    sheet = np.asarray(_paper(facts, rng), np.float32)
    rows = np.arange(sheet.shape[0], dtype=np.float32)[:, None]
    band = 0.06 * np.sin(rows / rng.uniform(60, 200) + rng.uniform(0, 6))
    left = rng.uniform(0.22, 0.4) + band
    faded: NDArray[np.float32] = np.asarray(246 - (255 - sheet) * left, np.float32)
    return facts, "jpg", _photo(Image.fromarray(np.clip(faded, 0, 255).astype(np.uint8)), rng)


def _stamped(rng: random.Random) -> Made:
    """A file number above the merchant, and a stamp in a frame across the lower half, lighter than the print."""
    facts = invent(rng)
    paper = _paper(facts, rng)
    sheet = Image.new("L", (paper.width, paper.height + 70), 255)
    sheet.paste(paper, (0, 70))
    sheet.paste(word_picture(str(rng.randint(3_100_000, 3_999_999)), "sans", 40, 400), (rng.randint(20, 120), 12))
    text = word_picture(rng.choice(("PAID", "APPROVED", "POSTED", "ENTERED")), "sans", 64, 400)
    mark = Image.new("L", (text.width + 40, text.height + 30), 255)
    mark.paste(text, (20, 15))
    ImageDraw.Draw(mark).rectangle((4, 4, mark.width - 5, mark.height - 5), outline=60, width=5)
    mark = mark.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    light = np.asarray(mark, np.float32) * 0.45 + 255 * 0.55
    x = rng.randint(0, max(1, sheet.width - mark.width))
    y = rng.randint(sheet.height // 2, max(sheet.height // 2 + 1, sheet.height - mark.height))
    return facts, "jpg", _photo(_over(sheet, light, x, y), rng)


def _over(sheet: Image.Image, mark: NDArray[np.float32], x: int, y: int) -> Image.Image:
    """Ink over ink: both darken the paper."""
    seen = np.asarray(sheet, np.float32).copy()
    part = seen[y : y + mark.shape[0], x : x + mark.shape[1]]
    part *= mark[: part.shape[0], : part.shape[1]] / 255
    return Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))


def _scribbled(rng: random.Random) -> Made:
    """A pen over the print: a circle around something, a tick, a name."""
    facts = invent(rng)
    paper = _paper(facts, rng)
    draw = ImageDraw.Draw(paper)
    x, y = rng.randint(60, paper.width - 200), rng.randint(paper.height // 3, paper.height - 80)
    draw.ellipse((x, y, x + rng.randint(90, 170), y + rng.randint(40, 70)), outline=70, width=3)
    for _ in range(rng.randint(2, 4)):
        at = np.array([rng.uniform(0.1, 0.8) * paper.width, rng.uniform(0.05, 0.95) * paper.height])
        stroke = [tuple(at)]
        for step in range(14):
            at = at + np.array([rng.uniform(2, 14), 16 * math.sin(step * 1.7) * rng.uniform(0.3, 1)])
            stroke.append(tuple(at))
        draw.line([(float(a), float(b)) for a, b in stroke], fill=85, width=3, joint="curve")
    return facts, "jpg", _photo(paper, rng)


def _screenshot(rng: random.Random) -> Made:
    """A receipt in a message on a telephone: a bar with the clock above it, a day of the chat, buttons below."""
    facts = invent(rng)
    paper = _paper(facts, rng)
    screen = Image.new("L", (paper.width + 80, paper.height + 330), 226)
    screen.paste(word_picture(f"{rng.randint(8, 20):02}:{rng.randint(0, 59):02}", "sans", 26, 200), (30, 14))
    screen.paste(word_picture(f"{rng.randint(20, 99)}%", "sans", 26, 200), (screen.width - 90, 14))
    screen.paste(word_picture("Receipts", "sans", 36, 400), (40, 70))
    screen.paste(paper, (40, 150))
    for place, text in enumerate(("Share", "Save", "Delete")):
        screen.paste(word_picture(text, "sans", 30, 200), (60 + place * screen.width // 3, screen.height - 110))
    return facts, "png", picture_bytes(screen, "png", rng)


def _pdf_text(rng: random.Random) -> Made:
    facts = invent(rng)
    return facts, "pdf", written_pdf(LAYOUTS["invoice"](facts, rng))


def _refund(rng: random.Random) -> Made:
    """Money that went back: amounts below zero, or a title that says so."""
    facts = invent(rng)
    facts = replace(facts, cash=None)
    lines = _lines(facts, rng, rng.choice(("till", "cafe", "columns")))
    if rng.random() < 0.5:
        title = Line(left=rng.choice(("REFUND", "CREDIT NOTE", "SALES RETURN")), centred=True, size=1.3)
        lines = [lines[0], title, *lines[1:]]
    else:
        amounts = {facts.money(amount) for amount in (facts.total, facts.gross, facts.tax)}
        amounts |= {facts.money(item.amount) for item in facts.items}
        lines = [_below_zero(line, amounts, facts.mark) for line in lines]
    return facts, "png", picture_bytes(scanned(_paper(facts, rng, lines), rng), "png", rng)


def _below_zero(line: Line, amounts: set[str], mark: str) -> Line:
    amount = line.right.removeprefix(mark)
    return replace(line, right=f"{line.right[: len(line.right) - len(amount)]}-{amount}") if amount in amounts else line


def _foreign(rng: random.Random) -> Made:
    facts = invent(rng, None, rng.choice(list(MORE_REGIONS)))
    return facts, "png", picture_bytes(scanned(_paper(facts, rng), rng), "png", rng)


def _two_currencies(rng: random.Random) -> Made:
    """The total once more in the customer's currency, with the rate, as terminals for travellers print it."""
    facts = invent(rng, None, rng.choice(("MYR", "EUR", "GBP", "SGD")))
    facts = replace(facts, mark=f"{facts.region.currency} ")
    lines = _lines(facts, rng, rng.choice(("till", "columns")))
    rate = Decimal(rng.randint(40, 160)) / 100
    other = (facts.total * rate).quantize(Decimal("0.01"))
    lines += [
        Line(left=f"Rate 1 {facts.region.currency} = {rate:.4f} USD"),
        Line(left="You may pay USD", right=f"{other:,.2f}"),
    ]
    return facts, "png", picture_bytes(scanned(_paper(facts, rng, lines), rng), "png", rng)


def _day_or_month(rng: random.Random) -> Made:
    """A day that could be a month; only the country tells which."""
    facts = invent(rng, None, rng.choice(("USD", "GBP", "MYR")))
    day = date(rng.randint(2023, 2025), rng.randint(1, 12), 1) + timedelta(days=rng.randint(0, 11))
    first = "%m/%d/%Y" if facts.region.currency == "USD" else "%d/%m/%Y"
    facts = replace(facts, day=day, date_text=day.strftime(first))
    return facts, "png", picture_bytes(scanned(_paper(facts, rng), rng), "png", rng)


def _two_on_a_table(rng: random.Random) -> Made:
    one, other = invent(rng), invent(rng)
    return one, "jpg", _photo(on_table([_paper(one, rng), _paper(other, rng)], rng), rng)


def _two_on_glass(rng: random.Random) -> Made:
    """Two beside each other, or below each other, on one white scan: nothing but the text tells them apart."""
    one = invent(rng)
    other = invent(rng, None, next(name for name in ("MYR", "GBP") if name != one.region.currency))
    papers = [_paper(one, rng), _paper(other, rng)]
    if rng.random() < 0.6:
        glass = Image.new("L", (papers[0].width + papers[1].width + 40, max(p.height for p in papers)), 255)
        places = [(0, 0), (papers[0].width + 40, rng.randint(0, glass.height - papers[1].height))]
    else:
        glass = Image.new("L", (max(p.width for p in papers), papers[0].height + papers[1].height + 40), 255)
        places = [(0, 0), (0, papers[0].height + 40)]
    for paper, place in zip(papers, places, strict=True):
        glass.paste(paper, place)
    return one, "png", picture_bytes(_noisy(glass, rng, 3, 0.4), "png", rng)


KINDS: dict[str, Callable[[random.Random], Made]] = {
    "on-a-table": _on_a_table,
    "turned": _turned,
    "faint": _faint,
    "stamped": _stamped,
    "scribbled": _scribbled,
    "screenshot": _screenshot,
    "pdf-text": _pdf_text,
    "foreign": _foreign,
    "currencies": _two_currencies,
    "day-or-month": _day_or_month,
    "refund": _refund,
    "two-on-a-table": _two_on_a_table,
    "two-on-glass": _two_on_glass,
}

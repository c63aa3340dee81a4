"""Eight ways to print the same facts, none of them taken from a data set that the reader is measured on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from generated_facts import Facts


@dataclass(frozen=True, kw_only=True)
class Line:
    """One printed line: text at the left, perhaps columns in the middle, perhaps an amount at the right.

    `size` is relative to the ordinary type. A line of only `rule` is a ruled line; `page_break` starts a new page.
    """

    left: str = ""
    right: str = ""
    middle: tuple[tuple[float, str], ...] = ()
    size: float = 1.0
    centred: bool = False
    rule: str = ""
    page_break: bool = False


Layout = Callable[[Facts, random.Random], list[Line]]
_RULE = Line(rule="-")
_SPACE = Line()


def till(facts: Facts, rng: random.Random) -> list[Line]:
    """A shop's till roll: centred head, items with their amounts, subtotal, tax, total, cash and change."""
    words = facts.region.words
    lines = _head(facts, 1.25)
    lines += [
        Line(left=f"{words['date']}: {facts.date_text}", right=f"{facts.clock:%H:%M}"),
        Line(left=f"{words['receipt']}: {facts.number}", right=f"POS {rng.randint(1, 9)}"),
        _RULE,
    ]
    lines += [Line(left=item.name, right=facts.money(item.amount)) for item in facts.items]
    return [*lines, _RULE, *_sums(facts), _SPACE, Line(left=words["thanks"], centred=True)]


def cafe(facts: Facts, rng: random.Random) -> list[Line]:
    """A small café: quantity first, a big total with its mark, the tax as a remark."""
    words = facts.region.words
    lines = [
        Line(left=facts.merchant, centred=True, size=1.5),
        Line(left=", ".join(facts.address), centred=True),
        _SPACE,
    ]
    lines += [Line(left=f"Table {rng.randint(1, 30)}", right=f"{facts.date_text} {facts.clock:%H:%M}"), _RULE]
    lines += [Line(left=f"{item.quantity} x {item.name}", right=facts.money(item.amount)) for item in facts.items]
    lines += [_RULE, *_before_total(facts)]
    lines += [Line(left=words["total"], right=f"{facts.mark}{facts.money(facts.total)}", size=1.5), _SPACE]
    lines += [Line(left=f"{words['receipt']} {facts.number}", centred=True), Line(left=words["thanks"], centred=True)]
    return lines


def columns(facts: Facts, rng: random.Random) -> list[Line]:
    """A hardware store's bill: quantity, price and amount in columns."""
    words = facts.region.words
    lines = [
        Line(left=facts.merchant.upper(), size=1.2),
        Line(left=facts.address[0]),
        Line(left=facts.address[1]),
        Line(left=facts.phone),
    ]
    lines += [_SPACE, Line(left="TAX INVOICE", centred=True, size=1.2), _SPACE]
    lines += [Line(left=f"{words['receipt']}", right=facts.number), Line(left=words["date"], right=facts.date_text)]
    lines += [Line(left="Cashier", right=rng.choice(("01", "Mei", "Sam", "Ana"))), _RULE]
    lines += [Line(left="Item", middle=((0.5, "Qty"), (0.62, "Price")), right="Amount"), _RULE]
    for item in facts.items:
        lines.append(
            Line(
                left=item.name,
                middle=((0.52, str(item.quantity)), (0.62, facts.money(item.price))),
                right=facts.money(item.amount),
            )
        )
    quantity = sum(item.quantity for item in facts.items)
    return [*lines, _RULE, Line(left="Total Qty", right=str(quantity)), *_sums(facts)]


def two_line_items(facts: Facts, rng: random.Random) -> list[Line]:
    """A supermarket: a code and a name, quantity times price below, and a table of taxes at the foot."""
    words = facts.region.words
    lines = _head(facts, 1.1)
    lines += [Line(left=f"{words['receipt']}: {facts.number}"), _RULE]
    for item in facts.items:
        lines.append(Line(left=f"{rng.randint(100000, 999999)} {item.name}"))
        lines.append(Line(left=f"   {item.quantity} @ {facts.money(item.price)}", right=facts.money(item.amount)))
    net = facts.gross if facts.region.tax_on_top else facts.gross - facts.tax
    lines += [_RULE, *_sums(facts), _SPACE]
    lines += [Line(left=f"{facts.region.tax_name} Summary", middle=((0.5, "Net"),), right="Tax")]
    lines += [Line(left=f"{facts.rate}%", middle=((0.5, facts.money(net)),), right=facts.money(facts.tax)), _RULE]
    return [*lines, Line(left=f"{facts.date_text}  {facts.clock:%H:%M:%S}", centred=True)]


def ticket(facts: Facts, rng: random.Random) -> list[Line]:
    """A ticket of few lines: label above value."""
    words = facts.region.words
    lines = [
        Line(left=facts.merchant, centred=True, size=1.3),
        Line(left=facts.address[1], centred=True),
        Line(rule="="),
    ]
    lines += [Line(left=words["date"], right=words["receipt"]), Line(left=facts.date_text, right=facts.number), _SPACE]
    lines += [Line(left=item.name, right=facts.money(item.amount)) for item in facts.items]
    lines += [*_before_total(facts), _SPACE, Line(left=words["total"], centred=True)]
    lines += [Line(left=f"{facts.mark}{facts.money(facts.total)}", centred=True, size=1.8), Line(rule="=")]
    return [*lines, Line(left=f"{facts.tax_id}", centred=True)]


def slip(facts: Facts, rng: random.Random) -> list[Line]:
    """A till roll with the payment slip of the card below; cash leaves no slip."""
    words = facts.region.words
    if facts.cash is not None:
        return till(facts, rng)
    lines = till(facts, rng)[:-2]
    lines += [
        Line(rule="*"),
        Line(left="CARD PAYMENT", centred=True),
        Line(left=words["card"], right=f"**** {rng.randint(1000, 9999)}"),
    ]
    lines += [Line(left="Approval", right=str(rng.randint(100000, 999999)))]
    return [*lines, Line(left="Amount", right=f"{facts.mark}{facts.money(facts.total)}")]


def invoice(facts: Facts, rng: random.Random) -> list[Line]:
    """A letter-size invoice with its numbers at the top right."""
    words = facts.region.words
    lines = [Line(left=facts.merchant, right="INVOICE", size=1.6)]
    lines += [Line(left=facts.address[0], right=f"{words['receipt']}: {facts.number}")]
    lines += [
        Line(left=facts.address[1], right=f"{words['date']}: {facts.date_text}"),
        Line(left=facts.phone, right=facts.tax_id),
    ]
    lines += [_SPACE, _SPACE, Line(left="Description", middle=((0.6, "Qty"), (0.72, "Unit")), right="Amount"), _RULE]
    for item in facts.items:
        lines.append(
            Line(
                left=item.name,
                middle=((0.6, str(item.quantity)), (0.72, facts.money(item.price))),
                right=facts.money(item.amount),
            )
        )
    lines += [_RULE, *_before_total(facts, at=0.6)]
    return [*lines, Line(middle=((0.6, words["total"]),), right=f"{facts.mark}{facts.money(facts.total)}", size=1.2)]


def folio(facts: Facts, rng: random.Random) -> list[Line]:
    """A hotel's folio: the head and the items on one page, the sums on the next."""
    lines = invoice(facts, rng)
    cut = len(lines) - 1 - len(_before_total(facts))
    return [*lines[:cut], Line(page_break=True), Line(left=facts.merchant), _SPACE, *lines[cut:]]


LAYOUTS: dict[str, Layout] = {
    "till": till,
    "cafe": cafe,
    "columns": columns,
    "two-line-items": two_line_items,
    "ticket": ticket,
    "slip": slip,
    "invoice": invoice,
    "folio": folio,
}


def _head(facts: Facts, size: float) -> list[Line]:
    below = (*facts.address, facts.phone, facts.tax_id)
    return [
        Line(left=facts.merchant, centred=True, size=size),
        *(Line(left=text, centred=True) for text in below),
        _SPACE,
    ]


def _before_total(facts: Facts, at: float | None = None) -> list[Line]:
    """Subtotal, discount, tax and rounding, as far as there are any."""
    region = facts.region
    named: list[tuple[str, str]] = []
    if facts.discount:
        named.append(("Discount" if region.currency != "EUR" else "Rabatt", "-" + facts.money(facts.discount)))
    if region.tax_on_top or facts.discount:
        named.append((region.words["subtotal"], facts.money(facts.gross)))
    label = f"{region.tax_name} {facts.rate}%"
    named.append((label if region.tax_on_top else f"incl. {label}", facts.money(facts.tax)))
    if facts.rounding:
        named.append((region.words["rounding"], f"{facts.rounding:.2f}"))
    if at is None:
        return [Line(left=name, right=amount) for name, amount in named]
    return [Line(middle=((at, name),), right=amount) for name, amount in named]


def _sums(facts: Facts) -> list[Line]:
    words = facts.region.words
    lines = [
        *_before_total(facts),
        Line(left=words["total"], right=f"{facts.mark}{facts.money(facts.total)}", size=1.2),
    ]
    if facts.cash is not None:
        lines.append(Line(left=words["cash"], right=facts.money(facts.cash)))
        lines.append(Line(left=words["change"], right=facts.money(facts.cash - facts.total)))
    else:
        lines.append(Line(left=words["card"], right=facts.money(facts.total)))
    return lines

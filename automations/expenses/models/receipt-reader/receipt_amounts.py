"""Amounts on a receipt, what each is called there, and which of them agree with each other by arithmetic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from receipt_layout import Piece, Row

CENT = Decimal("0.01")
AMOUNT_MAX = Decimal("10000000")
SUMMANDS_MAX = 40  # more rows are not a column that somebody added up
TERMS_MAX = 8  # of one role in a sum; the last ones printed count, and the work stays bounded
LABEL_MAX = 200

_MARKS = r"RM|MYR|USD|US\$|S\$|SGD|EUR|GBP|AUD|A\$|C\$|CAD|CHF|JPY|NZD|[$€£¥￥]"
_AMOUNT = re.compile(
    rf"(?<![\d.,/:#-])(?P<minus>[-–(]\s?)?(?P<mark>{_MARKS})?[\s:.]{{0,2}}(?P<minus2>-)?"
    r"(?:(?P<grouped>\d{1,3}(?:[,.'’ ]\d{3})+)\s?[.,]\s?(?P<cents2>\d{2})"
    r"|(?P<whole>\d{1,7})\s?[.,]\s?(?P<cents>\d{2}))"
    r"(?![\d%]|\s%|[.,/]\d|:\d)(?P<minus3>-(?!\d))?",
    re.IGNORECASE,
)
_MARKED_INTEGER = re.compile(
    rf"(?<![A-Z\d])(?P<minus>[-–]\s?)?(?P<mark>{_MARKS})\s?(?P<minus2>-)?"
    r"(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,6})(?![\d.,%/-]|\s?[.,]\s?\d)",
    re.IGNORECASE,
)
_LETTER_FOR_DIGIT = re.compile(
    r"(?<=RM)(?:[Il|](?=\d)|[Oo](?=[.,]\d))|(?<=[\d.,])[OoQ](?=[\d.,]|$)|(?<=\d)[lI](?=[\d.,])|(?<![A-Za-z])[Oo](?=[.,]\d\d)"
)

# A point before the cents that print lost: only in a line that is called a total.
_LOST_POINT = re.compile(
    rf"(?<![\d.,])(?P<mark>{_MARKS})?\s?(?P<whole>\d{{1,5}})(?:\s|\s?-\s?)(?P<cents>\d{{2}})\s*$", re.IGNORECASE
)
_SHARE = re.compile(r"\d+(?:[.,]\d+)?\s?%")

# What a row is called. The first that matches wins, so the more telling names come first. Compared with the row's letters only,
# in lower case, without spaces; English, Malay, German, French, Spanish, Italian, Dutch.
ROLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "quantity",
        re.compile(
            r"(total|no|number)(of)?(qty|quantity|item|unit|pcs|pieces|articles|artikel)|^(qty|"
            r"quantity|items?)$|itemcount|itemsold|qtyitem|itemqty"
        ),
    ),
    (
        "tax",
        re.compile(
            r"^(inc(l|luding|lusive|ludes)?|contains|davon|darin|enthalt\w*|dont|dicui|"
            r"incluye)(of)?(gst|sst|vat|tax|m[wv]st|ust|tva|iva|btw|hst)"
        ),
    ),
    ("part", re.compile(r"suppl(y|ies)|zerorated|standardrated|^(tot|ttl).{0,6}(sr|zrl?)$")),
    (
        "points",
        re.compile(
            r"point|loyalty|bonuslink|member(?!ship)|card(no|number)|approval|outstanding|"
            r"broughtforward|openingbalance|deposit"
        ),
    ),
    ("saving", re.compile(r"disc(?!over)|saving|saved|youhavesave|diskaun|rabatt|remise|voucher|coupon|rebate|promo")),
    (
        "rounding",
        re.compile(
            r"^(?!.*(total|after|incl|amountdue|payable|nett?am)).*(round|pembundaran|rndg|rndadj|"
            r"bundar|rundung|arrondi|redondeo)"
        ),
    ),
    (
        "change",
        re.compile(
            r"change|^baki|bakitunai|balancereturn|wechsel|ruckgeld|rückgeld|rendu|cambio|^resto$|"
            r"wisselgeld|kembali"
        ),
    ),
    (
        "excluding",
        re.compile(
            r"exc?l|without(gst|tax|sst)|before(gst|tax|sst|round|disc)|taxable|^net(wert|betrag)?$|"
            r"nettobetrag|hors(tva|taxe)|beforetax|imponible|totalht$|amountexc"
        ),
    ),
    ("cash", re.compile(r"^pay$|^accepted|total(cash|tender|paid)|(cash|tender(ed)?)total")),
    (
        "subtotal",
        re.compile(
            r"su[bh]?.?tot|subttl|sub.?tt?l|sbtl|zwischensumme|soustotal|subtotaal|parcial|subamount|"
            r"grossamount"
        ),
    ),
    (
        "payable",
        re.compile(
            r"^due$|grandtotal|gran.?total|total(amount)?(due|payable|topay)|amount?(due|payable|topay)|"
            r"balancedue|totaldue|net(t)?(total|am(ount|t)|payable)|to(bepaid|pay$)|zuzahlen|"
            r"gesamtbetrag|zahlbetrag|netapayer|apagar|dapagare|tebetalen|endbetrag|totalttc|"
            r"jumlahbesar|finaltotal|billtotal|invoicetotal|totalbill|totalinvoice"
        ),
    ),
    ("rounded", re.compile(r"round(ed|ing)?total|total.*round|afterround|afteradj|(ttl|tot).*rnd|total.*adj|rounded")),
    ("including", re.compile(r"(total|amt|amount|jumlah|sales).*(inc|with|after)|^inc(l|lusive)")),
    ("tax", re.compile(r"gst|tax|m[wv]st|umsatzsteuer|cukai")),
    ("service", re.compile(r"serv(ice)?(charge|chg|chrg|s?c)|svc|bedienung|pourboire|^tip|gratuity")),
    (
        "total",
        re.compile(
            r"t[o0]ta[l1]|^tota|^ttl|otal$|jumlah|summe(?!r)|gesamt|^importe|importe$|totaal|^amount$|^amt$|"
            r"betrag|montant|^totl|^sum$"
        ),
    ),
    (
        "cash",
        re.compile(
            r"cash|tender|tunai|paid|payment|pay(by|ment)|received?|bayar|gegeben|^bar$|especes|"
            r"contant|efectivo|recu|^bezahlt"
        ),
    ),
    (
        "card",
        re.compile(
            r"visa|master|credit|debit|amex|maestro|girocard|^card|nets$|kreditkart|eckarte|mydebit|"
            r"karte|carte|paywave"
        ),
    ),
)

PAYABLE_ROLES = frozenset({"payable", "rounded", "including", "total"})
PAID_ROLES = frozenset({"cash", "card"})

# too short to be looked for inside words
_TAX_WORD = re.compile(r"(?<![a-z])(sst|vat|tva|iva|btw|hst|pst|ust)(?![a-z])")
_TAX_TABLE = re.compile(
    r"(gst|tax|sst|vat|mwst)\s?(code)?\s?(summary|analysis|detail|breakdown|rate)|summary\s?of|(tax|gst)\s?code\s"
)
_NOT_LETTERS = re.compile(r"[^a-zäöüéèàß]+")


@dataclass(frozen=True, kw_only=True)
class Amount:
    """One amount where it is printed. `role` is what it is called there, "" for an item or an unnamed one.

    `row` counts rows through all pages; `in_table` tells that it stands in the table of taxes at the foot, which has totals of its own.
    """

    value: Decimal
    role: str
    label: str
    row: int
    y: float
    mark: str
    in_table: bool
    piece: Piece
    page: int


def letters(text: str) -> str:
    """Lower-case letters only: what labels are compared by."""
    return _NOT_LETTERS.sub("", text.lower())


def role_of(label: str) -> str:
    """Name what a label stands for, "" when it is none that we know."""
    label = label[-LABEL_MAX:]
    plain = letters(label.replace("0", "o").replace("1", "l")) if re.search(r"[A-Za-z]", label) else ""
    if not plain:
        return ""
    role = next((role for role, pattern in ROLES if pattern.search(plain)), "")
    return "tax" if role in {"", *PAID_ROLES} and _TAX_WORD.search(label.lower()) else role


def _role(label: str, value: Decimal) -> str:
    """The role of an amount; what is called rounding but is no small coin is the total after it."""
    role = role_of(label)
    return "rounded" if role == "rounding" and abs(value) >= 1 else role


def parse(text: str) -> list[tuple[Decimal, str, int, int]]:
    """Find the amounts in a text: value, currency mark, start, end. A comma or a point may stand before the cents."""
    text = _LETTER_FOR_DIGIT.sub(lambda match: "0" if match.group() in "OoQ" else "1", text)
    found = []
    for match in _AMOUNT.finditer(text):
        whole = re.sub(r"\D", "", match["grouped"] or match["whole"])
        value = Decimal(f"{int(whole)}.{match['cents2'] or match['cents']}")
        if match["minus"] or match["minus2"] or match["minus3"]:
            value = -value
        if abs(value) <= AMOUNT_MAX:
            found.append((value, (match["mark"] or "").upper(), match.start(), match.end()))
    if not found:
        for match in _MARKED_INTEGER.finditer(text):
            value = Decimal(f"{match['whole'].replace(',', '')}.00")
            value = -value if match["minus"] or match["minus2"] else value
            found.append((value, match["mark"].upper(), match.start(), match.end()))
    return found


def amounts(rows: Sequence[Row]) -> list[Amount]:
    """List all amounts with what each is called: by the words before it in its row, else by the words of the row above."""
    result: list[Amount] = []
    pending = ""  # a label that had no amount of its own
    in_table = False
    for index, row in enumerate(rows):
        in_table = in_table or bool(_TAX_TABLE.search(row.text.lower()))
        before, in_row = "", []
        for piece in row.pieces:
            at = 0
            for value, mark, start, end in parse(piece.text):
                before += " " + piece.text[at:start]
                in_row.append((value, mark, before, piece))
                if letters(before):
                    before = ""
                at = end
            before += " " + piece.text[at:]
        whole_label = " ".join(parse_out(piece.text) for piece in row.pieces)
        if not in_row and (lost := _lost_point(row, whole_label)):
            in_row.append(lost)
        named = len(letters(whole_label)) >= 2
        for value, mark, label, piece in in_row:
            own = label if len(letters(label)) >= 2 else (whole_label if named else pending)
            result.append(
                Amount(
                    value=value,
                    role=_role(own, value),
                    label=own.strip(),
                    row=index,
                    y=row.y,
                    mark=mark,
                    in_table=in_table,
                    piece=piece,
                    page=row.page,
                )
            )
        pending = whole_label if not in_row and named else ""
    return result


def _lost_point(row: Row, label: str) -> tuple[Decimal, str, str, Piece] | None:
    """The amount in a row that is called a total, where only the point is missing."""
    last = row.pieces[-1]
    match = _LOST_POINT.search(last.text) if role_of(label) in PAYABLE_ROLES else None
    if not match:
        return None
    return Decimal(f"{int(match['whole'])}.{match['cents']}"), (match["mark"] or "").upper(), label, last


def unread_totals(rows: Sequence[Row]) -> list[Row]:
    """Rows that are called a total and have a digit, but no amount that can be read: one of them may be what was to pay."""
    result = []
    for row in rows:
        if _TAX_TABLE.search(row.text.lower()):
            break
        if any(parse(piece.text) for piece in row.pieces) or _lost_point(row, row.text):
            continue
        if role_of(row.text) in PAYABLE_ROLES and re.search(r"\d", _SHARE.sub("", row.text)):
            result.append(row)
    return result


def parse_out(text: str) -> str:
    """The text without its amounts: what is left is a label."""
    for _, _, start, end in reversed(parse(text)):
        text = text[:start] + " " + text[end:]
    return text


@dataclass(frozen=True, kw_only=True)
class Agreements:
    """Values that something else on the receipt adds up to, each kind independent of the others."""

    paid: frozenset[Decimal]  # cash less change
    built: frozenset[Decimal]  # subtotal, tax, service and rounding
    items: frozenset[Decimal]  # the column of items above

    def count(self, value: Decimal) -> int:
        return (value in self.paid) + (value in self.built) + (value in self.items)


def agreements(found: Sequence[Amount]) -> Agreements:
    """Work out what the receipt's own arithmetic supports."""

    def of(*roles: str) -> set[Decimal]:
        values = [amount.value for amount in found if amount.role in roles and not amount.in_table]
        return set(values[-TERMS_MAX:])

    paid = {
        cash - change
        for cash in of("cash", "card")
        for change in of("change")
        if cash > 0 and change != 0 and cash - abs(change) > 0
    } | {cash - abs(change) for cash in of("cash") for change in of("change") if change < 0}
    bases = of("subtotal", "excluding", "total", "including", "payable")
    extras = sorted({abs(value) for value in of("tax", "service") if value})
    roundings = {Decimal(0)} | {sign * abs(v) for v in of("rounding") for sign in (1, -1) if abs(v) < 1}
    savings = {Decimal(0)} | {abs(value) for value in of("saving")}
    parts = of("part", "excluding", "tax")
    built = {first + second for first, second in combinations(sorted(parts), 2)}
    for base in bases:
        for size in range(3):
            for chosen in combinations(extras, size):
                for rounding in roundings:
                    for saving in savings:
                        if chosen or rounding or saving:
                            built.add(base + sum(chosen) + rounding - saving)
    return Agreements(paid=frozenset(paid), built=frozenset(built), items=frozenset(_column_sums(found)))


def _column_sums(found: Sequence[Amount]) -> set[Decimal]:
    """Running sums of the last unnamed amount of each row, which is where the price of an item stands."""
    by_row: dict[int, Amount] = {}
    for amount in found:
        if amount.role in {"", "saving"} and not amount.in_table:
            by_row[amount.row] = amount
    values = [by_row[row].value for row in sorted(by_row)][:SUMMANDS_MAX]
    sums = set()
    for start in range(min(len(values), 3)):
        running = Decimal(0)
        for position, value in enumerate(values[start:]):
            running += value
            if position:
                sums.add(running)
    return sums

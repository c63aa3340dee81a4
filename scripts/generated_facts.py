"""What stands on an invented receipt: who sold what, when, for how much, under which country's habits. Nobody in it exists."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
FIRST_DAY, LAST_DAY = date(2023, 1, 2), date(2025, 12, 20)


@dataclass(frozen=True, kw_only=True)
class Region:
    """How receipts of one country look: marks, tax, date notations, rounding of cash, addresses."""

    currency: str
    marks: tuple[str, ...]
    tax_name: str
    rates: tuple[int, ...]
    tax_on_top: bool
    date_formats: tuple[str, ...]
    cash_step: Decimal
    legal_forms: tuple[str, ...]
    streets: tuple[str, ...]
    towns: tuple[str, ...]
    words: dict[str, str]
    decimal_comma: bool = False
    unit: Decimal = CENT
    price_factor: int = 1


_ENGLISH = {
    "subtotal": "Subtotal",
    "total": "TOTAL",
    "cash": "Cash",
    "change": "Change",
    "date": "Date",
    "receipt": "Receipt No",
    "thanks": "Thank you, please come again",
    "rounding": "Rounding",
    "card": "VISA",
}
REGIONS: dict[str, Region] = {
    "MYR": Region(
        currency="MYR",
        marks=("RM", "RM", "MYR"),
        tax_name="SST",
        rates=(6, 8),
        tax_on_top=True,
        date_formats=("%d/%m/%Y", "%d-%m-%Y", "%d/%m/%y", "%d %b %Y"),
        cash_step=Decimal("0.05"),
        legal_forms=("SDN BHD", "ENTERPRISE", "(M) SDN. BHD."),
        streets=("No. 14, Jalan Kenari 5", "Lot 22, Jalan Meranti 2/8", "27-G, Jalan Cempaka"),
        towns=("47100 Puchong, Selangor", "81300 Skudai, Johor", "10250 George Town, Pulau Pinang"),
        words=_ENGLISH
        | {"subtotal": "Sub Total", "thanks": "Terima kasih, sila datang lagi", "rounding": "Rounding Adj"},
    ),
    "USD": Region(
        currency="USD",
        marks=("$", "$", "USD "),
        tax_name="Sales Tax",
        rates=(6, 8, 9),
        tax_on_top=True,
        date_formats=("%m/%d/%Y", "%m/%d/%y", "%b %d, %Y"),
        cash_step=CENT,
        legal_forms=("LLC", "Inc.", ""),
        streets=("418 Alder Street", "1207 Harbor Ave", "95 W Mill Rd"),
        towns=("Portland, OR 97205", "Columbus, OH 43215", "Austin, TX 78701"),
        words=_ENGLISH | {"receipt": "Check #", "cash": "Cash Tendered", "change": "Change Due"},
    ),
    "EUR": Region(
        currency="EUR",
        marks=("EUR ", "EUR "),
        tax_name="MwSt",
        rates=(7, 19),
        tax_on_top=False,
        date_formats=("%d.%m.%Y", "%d.%m.%y"),
        cash_step=CENT,
        legal_forms=("GmbH", "e.K.", "KG"),
        streets=("Lindenweg 12", "Am Marktplatz 3", "Bergstr. 41"),
        towns=("50667 Koeln", "79098 Freiburg", "04109 Leipzig"),
        words={
            "subtotal": "Zwischensumme",
            "total": "SUMME",
            "cash": "Bar",
            "change": "Rueckgeld",
            "date": "Datum",
            "receipt": "Beleg-Nr.",
            "thanks": "Vielen Dank fuer Ihren Besuch",
            "rounding": "Rundung",
            "card": "girocard",
        },
        decimal_comma=True,
    ),
    "GBP": Region(
        currency="GBP",
        marks=("GBP ", "£"),
        tax_name="VAT",
        rates=(20,),
        tax_on_top=False,
        date_formats=("%d/%m/%Y", "%d/%m/%y", "%d %B %Y"),
        cash_step=CENT,
        legal_forms=("Ltd", "& Sons", "Limited"),
        streets=("8 Fenwick Row", "113 Station Parade", "2 Quay Lane"),
        towns=("Bristol BS1 4QA", "London SE1 9GF", "Leeds LS2 8JS"),
        words=_ENGLISH | {"total": "TOTAL TO PAY", "receipt": "Receipt"},
    ),
    "SGD": Region(
        currency="SGD",
        marks=("S$", "SGD "),
        tax_name="GST",
        rates=(8, 9),
        tax_on_top=True,
        date_formats=("%d/%m/%Y", "%d-%b-%Y", "%Y-%m-%d"),
        cash_step=Decimal("0.05"),
        legal_forms=("PTE LTD", "Pte. Ltd."),
        streets=("33 Serangoon View #01-08", "210 Bukit Hill Road #02-11", "5 Marina Walk #B1-20"),
        towns=("Singapore 556110", "Singapore 229899", "Singapore 018960"),
        words=_ENGLISH | {"receipt": "Bill No", "total": "GRAND TOTAL"},
    ),
}
# Used only where they are asked for: drawing from more regions would change what every seed gives.
MORE_REGIONS: dict[str, Region] = {
    "FR": Region(
        currency="EUR",
        marks=("EUR ", "€"),
        tax_name="TVA",
        rates=(10, 20),
        tax_on_top=False,
        date_formats=("%d/%m/%Y", "%d/%m/%y"),
        cash_step=CENT,
        legal_forms=("SARL", "SAS"),
        streets=("14 rue des Tilleuls", "3 rue du Port"),
        towns=("69003 Lyon, France", "44000 Nantes, France"),
        words=_ENGLISH
        | {
            "subtotal": "Sous-total",
            "total": "TOTAL TTC",
            "cash": "Especes",
            "change": "Rendu",
            "receipt": "Ticket No",
            "thanks": "Merci de votre visite",
            "card": "Carte bancaire",
        },
        decimal_comma=True,
    ),
    "IT": Region(
        currency="EUR",
        marks=("EUR ", "€"),
        tax_name="IVA",
        rates=(10, 22),
        tax_on_top=False,
        date_formats=("%d/%m/%Y", "%d-%m-%Y"),
        cash_step=CENT,
        legal_forms=("S.r.l.", "S.p.A."),
        streets=("Via Garibaldi 21", "Via del Mulino 8"),
        towns=("40121 Bologna, Italia", "50123 Firenze, Italia"),
        words=_ENGLISH
        | {
            "subtotal": "Subtotale",
            "total": "TOTALE",
            "cash": "Contante",
            "change": "Resto",
            "date": "Data",
            "receipt": "Doc. N.",
            "thanks": "Grazie e arrivederci",
            "card": "Carta",
        },
        decimal_comma=True,
    ),
    "ES": Region(
        currency="EUR",
        marks=("EUR ", "€"),
        tax_name="IVA",
        rates=(10, 21),
        tax_on_top=False,
        date_formats=("%d/%m/%Y",),
        cash_step=CENT,
        legal_forms=("S.L.", "S.A."),
        streets=("Calle Mayor 30", "Calle del Olmo 4"),
        towns=("28013 Madrid, Espana", "46002 Valencia, Espana"),
        words=_ENGLISH
        | {
            "subtotal": "Subtotal",
            "cash": "Efectivo",
            "change": "Cambio",
            "date": "Fecha",
            "receipt": "Factura No",
            "thanks": "Gracias por su visita",
            "card": "Tarjeta",
        },
        decimal_comma=True,
    ),
    "AU": Region(
        currency="AUD",
        marks=("$", "AUD "),
        tax_name="GST",
        rates=(10,),
        tax_on_top=False,
        date_formats=("%d/%m/%Y", "%d %b %Y"),
        cash_step=Decimal("0.05"),
        legal_forms=("Pty Ltd",),
        streets=("12 Banksia Street", "40 Wharf Road"),
        towns=("Hobart TAS 7000 Australia", "Perth WA 6000 Australia"),
        words=_ENGLISH | {"receipt": "Tax Invoice No"},
    ),
    "CA": Region(
        currency="CAD",
        marks=("$", "CAD "),
        tax_name="HST",
        rates=(13, 15),
        tax_on_top=True,
        date_formats=("%Y-%m-%d", "%b %d, %Y"),
        cash_step=Decimal("0.05"),
        legal_forms=("Inc.", "Ltd"),
        streets=("88 Maple Ave", "7 Lakeshore Rd"),
        towns=("Toronto, Ontario, Canada", "Ottawa, Ontario, Canada"),
        words=_ENGLISH | {"receipt": "Trans No"},
    ),
    "JP": Region(
        currency="JPY",
        marks=("JPY ", "¥"),
        tax_name="Consumption Tax",
        rates=(8, 10),
        tax_on_top=False,
        date_formats=("%Y/%m/%d", "%Y-%m-%d"),
        cash_step=Decimal(1),
        legal_forms=("Co., Ltd", "K.K."),
        streets=("2-11-3 Meguro", "1-4 Honmachi"),
        towns=("Tokyo 153-0063, Japan", "Osaka 541-0053, Japan"),
        words=_ENGLISH,
        unit=Decimal(1),
        price_factor=100,
    ),
}
_FIRST = (
    "Amber",
    "Nordlicht",
    "Harbour",
    "Kopi Tujuh",
    "Blue Finch",
    "Old Mill",
    "Sunda",
    "Merlin",
    "Casa Verde",
    "Pelangi",
    "Juniper",
    "Three Rivers",
)
_TRADES: dict[str, tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]]] = {
    "meals": (
        ("Kitchen", "Cafe", "Bistro", "Noodle House"),
        (
            ("Flat White", "4.20", "6.80"),
            ("Chicken Rice", "6.50", "12.90"),
            ("Iced Lemon Tea", "2.90", "4.80"),
            ("Garden Salad", "7.40", "13.50"),
            ("Beef Noodle Soup", "8.90", "16.00"),
            ("Mineral Water", "1.50", "3.20"),
        ),
    ),
    "travel": (
        ("Fuel Station", "Taxi", "Parking"),
        (
            ("Unleaded 95", "25.00", "95.00"),
            ("Diesel", "30.00", "110.00"),
            ("Trip fare", "8.40", "46.00"),
            ("Parking 3h", "4.00", "18.00"),
            ("Toll", "1.60", "6.20"),
        ),
    ),
    "office": (
        ("Stationery", "Hardware", "Print Shop"),
        (
            ("A4 Paper 80g", "9.90", "14.50"),
            ("Ballpen blue", "1.20", "3.90"),
            ("Ring Binder", "4.50", "9.90"),
            ("HDMI Cable 2m", "12.90", "34.00"),
            ("Whiteboard marker", "2.80", "5.50"),
            ("Extension cord", "14.90", "29.90"),
        ),
    ),
    "lodging": (
        ("Inn", "Hotel", "Guest House"),
        (
            ("Room 1 night", "78.00", "189.00"),
            ("Breakfast", "9.00", "22.00"),
            ("City tax", "2.00", "5.00"),
            ("Laundry", "8.00", "19.00"),
            ("Late check-out", "20.00", "40.00"),
        ),
    ),
}
CATEGORIES = tuple(_TRADES)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line that was bought; `amount` is quantity times price."""

    name: str
    quantity: int
    price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.price * self.quantity


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a layout may print. `total` is what was to pay, after rounding."""

    region: Region
    merchant: str
    address: tuple[str, ...]
    phone: str
    tax_id: str
    day: date
    clock: time
    date_text: str
    number: str
    category: str
    items: tuple[Item, ...]
    discount: Decimal
    rate: int
    tax: Decimal
    rounding: Decimal
    total: Decimal
    cash: Decimal | None
    mark: str

    @property
    def gross(self) -> Decimal:
        """What the items add up to, after the discount."""
        return sum((item.amount for item in self.items), Decimal(0)) - self.discount

    def money(self, amount: Decimal) -> str:
        """The amount as this receipt prints it."""
        text = f"{amount:,.2f}" if self.region.unit == CENT else f"{amount:,.0f}"
        return text.translate(str.maketrans(",.", ".,")) if self.region.decimal_comma else text


def invent(rng: random.Random, category: str | None = None, currency: str | None = None) -> Facts:
    """Invent the facts of one receipt; `currency` names a key of `REGIONS` or `MORE_REGIONS`."""
    region = (REGIONS | MORE_REGIONS)[currency or rng.choice(list(REGIONS))]
    category = category or rng.choice(CATEGORIES)
    trades, goods = _TRADES[category]
    items = tuple(
        Item(name=name, quantity=rng.choice((1, 1, 1, 2, 3)), price=_between(rng, low, high) * region.price_factor)
        for name, low, high in rng.sample(goods, rng.randint(1, min(5, len(goods))))
    )
    gross = sum((item.amount for item in items), Decimal(0))
    unit = region.unit
    discount = (gross * rng.choice((5, 10)) / 100).quantize(unit, ROUND_HALF_UP) if rng.random() < 0.15 else Decimal(0)
    rate = rng.choice(region.rates)
    net = gross - discount
    if region.tax_on_top:
        tax = (net * rate / 100).quantize(unit, ROUND_HALF_UP)
        due = net + tax
    else:
        tax = (net * rate / (100 + rate)).quantize(unit, ROUND_HALF_UP)
        due = net
    by_cash = rng.random() < 0.5
    step = region.cash_step if by_cash else unit
    total = (due / step).quantize(Decimal(1), ROUND_HALF_UP) * step
    day = FIRST_DAY + timedelta(days=rng.randrange((LAST_DAY - FIRST_DAY).days))
    form = rng.choice(region.legal_forms)
    return Facts(
        region=region,
        merchant=f"{rng.choice(_FIRST)} {rng.choice(trades)} {form}".strip(),
        address=(rng.choice(region.streets), rng.choice(region.towns)),
        phone=f"Tel: {rng.randint(20, 99)}-{rng.randint(2000000, 9999999)}",
        tax_id=f"{region.tax_name} ID: {rng.randint(10**8, 10**9 - 1)}",
        day=day,
        clock=time(rng.randint(7, 22), rng.randint(0, 59)),
        date_text=day.strftime(rng.choice(region.date_formats)),
        number=f"{rng.choice(('', 'A', 'INV', 'R-', 'CS'))}{rng.randint(10_000, 9_999_999)}",
        category=category,
        items=items,
        discount=discount,
        rate=rate,
        tax=tax,
        rounding=total - due,
        total=total,
        cash=_tendered(rng, total, region.price_factor) if by_cash else None,
        mark=rng.choice(region.marks),
    )


def _between(rng: random.Random, low: str, high: str) -> Decimal:
    return Decimal(rng.randint(int(Decimal(low) * 20), int(Decimal(high) * 20))) / 20


def _tendered(rng: random.Random, total: Decimal, factor: int) -> Decimal:
    note = Decimal(rng.choice((5, 10, 50)) * factor)
    return ((total / note).to_integral_value(ROUND_HALF_UP) + 1) * note if rng.random() < 0.8 else total

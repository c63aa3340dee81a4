"""The redaction process for real: pictures and PDF are painted over, nothing of the original stays, and what hangs is ended."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image, ImageDraw, ImageFont

from interlock.boundary.redaction_pool import redaction_pool
from interlock.data.documents import render
from interlock.data.page_text import PageText
from interlock.domain.errors import ExecutorFailed
from interlock.infra.child_pool import ChildPool
from interlock.infra.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("redaction")]
SECRET = "ada.lovelace@example.org"
LINES = ("Corner Cafe", SECRET, "Total 12.30", "GB82 WEST 1234 5698 7654 32")
ID = "doc_" + "0" * 32


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[ChildPool]:
    pool = redaction_pool(Settings(pii_detector="rules"))
    yield pool
    await pool.close()


def picture(kind: str) -> bytes:
    page = Image.new("RGB", (900, 500), "white")
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(LINES):
        draw.text((40, 40 + number * 110), line, fill="black", font=ImageFont.load_default(44))
    exif = page.getexif()
    exif[0x010E] = f"scan of {SECRET}"
    out = io.BytesIO()
    page.save(out, kind, **({"exif": exif} if kind != "PDF" else {"title": SECRET}))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "PDF"])
async def test_what_is_personal_on_a_page_is_painted_over_and_the_rest_can_be_read(pool: ChildPool, kind: str) -> None:
    data = picture(kind)
    assert SECRET.encode() in data or kind == "PDF"
    body: dict[str, Any] = {
        "value": {"documents": [{"id": ID}], "note": f"from {SECRET}"},
        "known": {},
        "types": [],
        "spared": ["/documents/0/id"],
    }
    found = (await pool.call(body, {ID: data}, timeout_s=120)).value
    assert found["value"] == {"documents": [{"id": ID}], "note": "from EMAIL_ADDRESS_1"}
    new = base64.b64decode(found["files"][ID]["data"])
    assert SECRET.encode() not in new
    if kind != "PDF":
        assert len(Image.open(io.BytesIO(new)).getexif()) == 0
    (page,) = render(new)
    text = " ".join(text for text, _ in PageText().read(page))
    assert "Total" in text
    assert "12.30" in text
    assert "lovelace" not in text.lower()
    assert "1234" not in text
    where = [(r["type"], r.get("page"), r["count"]) for r in found["removed"] if r.get("document") == ID]
    assert where == [("EMAIL_ADDRESS", 1, 1), ("IBAN_CODE", 1, 1), ("METADATA", None, 1)]
    assert SECRET not in str(found["removed"])


async def test_a_name_that_only_a_field_or_a_later_page_tells_is_painted_over_on_every_page(pool: ChildPool) -> None:
    """No list has these names; what tells them stands in the values, and on the last page."""
    pages = []
    for lines in (
        ["Guest Zqorvath", "Total 12.30"],
        ["Booked: Brunxhild Okk", "Table 7"],
        ["My name is Brunxhild Okk", "Bye"],
    ):
        page = Image.new("RGB", (900, 300), "white")
        for number, line in enumerate(lines):
            ImageDraw.Draw(page).text((40, 40 + number * 110), line, fill="black", font=ImageFont.load_default(44))
        pages.append(page)
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    body = {"value": {"claimant": "Zqorvath"}, "known": {}, "types": [], "spared": []}
    found = (await pool.call(body, {ID: out.getvalue()}, timeout_s=120)).value
    texts = [" ".join(t for t, _ in PageText().read(p)) for p in render(base64.b64decode(found["files"][ID]["data"]))]
    assert ["Total" in texts[0], "Table" in texts[1], "Bye" in texts[2]] == [True, True, True]
    assert not any(name in " ".join(texts).lower() for name in ("zqorvath", "brunxhild"))


async def test_what_takes_too_long_is_ended(pool: ChildPool) -> None:
    body: dict[str, Any] = {"value": "1 " * 400_000, "known": {}, "types": [], "spared": []}
    with pytest.raises(ExecutorFailed) as failed:
        await pool.call(body, timeout_s=0.05)
    assert failed.value.kind == "TimedOut"


async def test_a_file_that_cannot_be_read_goes_nowhere(pool: ChildPool) -> None:
    body: dict[str, Any] = {"value": {}, "known": {}, "types": [], "spared": []}
    with pytest.raises(ExecutorFailed):
        await pool.call(body, {ID: picture("PNG")[:2000]}, timeout_s=60)

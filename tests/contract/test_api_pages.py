"""The text of a document's pages with its places; and what cannot be drawn or read."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.pdf import pdf_with_text

pytestmark = MARKS
__all__ = ["api"]


def damaged_png() -> bytes:
    """Give a PNG whose headers are whole, so that it is taken in; the compressed picture begins with nothing."""
    whole = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(whole, "PNG")
    return whole.getvalue()[:45] + bytes(20) + whole.getvalue()[65:]


async def stored(api: Running, name: str, data: bytes) -> str:
    answer = await api.as_("author").post("/v1/documents", files={"file": (name, data)})
    assert answer.status_code == 201, answer.text
    return f"/v1/documents/{answer.json()['id']}/pages"


async def test_the_text_of_a_picture_comes_with_its_places(api: Running) -> None:
    paper = Image.new("RGB", (900, 500), "white")
    pen = ImageDraw.Draw(paper)
    pen.text((60, 60), "KEDAI RUNCIT", fill="black", font_size=44)
    pen.text((60, 300), "TOTAL", fill="black", font_size=40)
    pen.text((640, 300), "12.30", fill="black", font_size=40)
    file = io.BytesIO()
    paper.save(file, "PNG")
    pages = await stored(api, "a.png", file.getvalue())
    answer = await api.as_("reviewer").get(f"{pages}/1/text")
    assert answer.status_code == 200, answer.text
    assert "private" in answer.headers["cache-control"]
    found = answer.json()
    assert found["source"] == "picture"
    assert [[part["text"] for part in line["parts"]] for line in found["lines"]] == [
        ["KEDAI RUNCIT"],
        ["TOTAL", "12.30"],
    ]
    x0, y0, x1, y1 = found["lines"][1]["parts"][1]["box"]
    assert 0.65 < x0 < 0.75 < x1 < 0.9
    assert 0.55 < y0 < 0.65 < y1 < 0.75
    missing = await api.as_("reviewer").get(f"{pages}/2/text")
    assert (missing.status_code, "1 pages" in missing.json()["detail"]) == (404, True)


async def test_a_files_own_text_is_given_to_who_may_read_the_document(api: Running) -> None:
    pages = await stored(api, "text.pdf", pdf_with_text("Invoice 4711 of Example Ltd"))
    assert (await api.as_("nobody").get(f"{pages}/1/text")).status_code == 403
    assert (await api.as_("stranger").get(f"{pages}/1/text")).status_code == 404
    answer = await api.as_("reviewer").get(f"{pages}/1/text")
    assert answer.status_code == 200, answer.text
    assert answer.json()["source"] == "layer"
    assert [part["text"] for part in answer.json()["lines"][0]["parts"]] == ["Invoice 4711 of Example Ltd"]


@pytest.mark.parametrize(
    ("what", "fix"), [("", "Download the file."), ("/text", "Look at its picture, or download the file.")]
)
async def test_a_page_that_cannot_be_shown_is_said_to_be_so(api: Running, what: str, fix: str) -> None:
    pages = await stored(api, "damaged.png", damaged_png())
    answer = await api.as_("reviewer").get(f"{pages}/1{what}")
    assert (answer.status_code, answer.json()["code"]) == (422, "document.unsafe"), answer.text
    assert answer.json()["fix"] == fix

"""What a reviewer has beside the fields: the document's text and what is found in it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

SIZES = [(1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


def test_words_are_found_on_the_picture_and_in_the_text(person: Callable[..., Person], cases: Cases) -> None:
    review = cases.done()
    mei = person("mei")
    asked: list[str] = []
    mei.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/text") else None)
    mei.go(f"/reviews/{review['id']}")
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    assert asked == []  # nothing is read before somebody looks for it
    mei.press("/")
    box = mei.page.get_by_label("Find in the document")
    expect(box).to_be_focused()
    mei.page.keyboard.type("to")
    place = mei.page.get_by_role("status").filter(has_text=re.compile(r"^\d+ of \d+$"))
    expect(place).to_have_text(re.compile("^1 of"), timeout=30_000)
    assert len(asked) == 1
    of = int(place.inner_text().rpartition(" ")[2])
    marks = mei.page.locator(".page-hit")
    assert marks.count() >= of
    expect(mei.page.locator('.page-hit[data-hit="true"]')).to_be_visible()
    mei.press("Shift+Enter")
    expect(place).to_have_text(f"{of} of {of}")
    mei.press("Enter")
    expect(place).to_have_text(f"1 of {of}")
    assert mei.page.evaluate("scrollY") == 0  # only the document moves
    mei.page.get_by_text("Text", exact=True).click()
    marked = mei.page.locator(".page-text mark")
    expect(marked).to_have_count(of)
    assert {text.lower() for text in marked.all_inner_texts()} == {"to"}
    box.focus()
    mei.press("Escape", "t")
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    expect(marks).to_have_count(0)
    assert len(asked) == 1


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_the_document_as_text_fits_and_is_accessible(
    person: Callable[..., Person], cases: Cases, width: int, height: int, scheme: str
) -> None:
    review = cases.done()
    ana = person("ana", width, height, scheme)
    ana.go(f"/reviews/{review['id']}")
    ana.page.get_by_label("Find in the document").fill("to")
    expect(ana.page.get_by_role("status").filter(has_text=re.compile("^1 of"))).to_be_visible(timeout=30_000)
    ana.check()
    ana.page.get_by_text("Text", exact=True).click()
    expect(ana.page.locator(".page-text mark").first).to_be_visible()
    ana.check()

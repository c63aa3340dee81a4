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


def test_a_duplicate_is_seen_beside_what_was_approved(person: Callable[..., Person], cases: Cases) -> None:
    review = cases.again()
    (known,) = review["request"]["evidence"]["approved_before"]
    for width, height, scheme in SIZES:
        mei = person("mei", width, height, scheme)
        mei.go(f"/reviews/{review['id']}")
        expect(mei.page.locator(".page-sheet img")).to_be_visible()
        mei.press("d")
        side = mei.page.get_by_role("region", name="Side by side")
        expect(side.get_by_role("link", name="The other one")).to_have_attribute("href", re.compile(known))
        here, there = (side.get_by_role("region", name=name).locator("img") for name in ("Document", "Other document"))
        expect(side.get_by_role("region", name="Other document").locator("img")).to_be_visible()
        before = there.last.bounding_box()
        assert here.first.bounding_box() is not None
        rows = side.get_by_role("row")
        expect(rows.filter(has_text="Total")).not_to_contain_text("differs")
        mei.check()
        mei.press("+")
        expect(there.last).not_to_have_js_property("clientWidth", round(before["width"]) if before else 0)
        mei.press("d")
        expect(side).to_have_count(0)
    # What is typed is held against the other one at once.
    fields = list(review["request"]["form"]["properties"])
    mei.press(str(fields.index("merchant") + 1), "e")
    mei.page.get_by_role("textbox", name="Merchant").fill("Another shop")
    mei.press("Enter", "d")
    expect(side.get_by_role("row", name=re.compile("Merchant"))).to_contain_text("differs")
    mei.press("Escape")
    expect(side).to_have_count(0)
    assert f"/reviews/{review['id']}" in mei.page.url


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

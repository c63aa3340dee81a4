"""What a reviewer has beside the fields: the document's text, the case that was approved before, the rules, and what policy said."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product

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


def test_a_likely_duplicate_that_the_evidence_does_not_name_is_seen_beside_it(
    person: Callable[..., Person], cases: Cases
) -> None:
    first, review = cases.twice()
    assert review["request"]["evidence"]["approved_before"] == []  # nothing was approved, so that nothing is named
    for width, height, scheme in SIZES:
        mei = person("mei", width, height, scheme)
        mei.go(f"/reviews/{review['id']}")
        told = mei.page.get_by_role("alert").filter(has_text="This may be a duplicate")
        expect(told).to_contain_text("same document; same merchant, date, total")
        expect(told.get_by_role("link")).to_have_attribute("href", re.compile(first))
        expect(mei.page.locator(".page-sheet img")).to_be_visible()
        mei.check()
        mei.press("d")
        side = mei.page.get_by_role("region", name="Side by side")
        expect(side.get_by_role("heading", name="Beside what is likely the same")).to_be_visible()
        expect(side.get_by_role("link", name="The other one")).to_have_attribute("href", re.compile(first))
        expect(side.get_by_text("Every field that is known of both is the same.")).to_be_visible()
        expect(side.get_by_role("region", name="Other document").locator("img")).to_be_visible()
        mei.check()
    mei.page.get_by_role("main").get_by_role("link", name="Inbox", exact=True).click()
    mei.page.wait_for_url("**/inbox")


def test_each_field_shows_the_rules_that_it_breaks_and_how_sure_it_was_read(
    person: Callable[..., Person], cases: Cases
) -> None:
    review = cases.done()
    fields = list(cases.review(review["id"])["request"]["form"]["properties"])
    for width, height, scheme in SIZES:
        mei = person("mei", width, height, scheme)
        mei.go(f"/reviews/{review['id']}")
        row = mei.page.get_by_role("listitem").filter(has=mei.page.get_by_text("Total", exact=True))
        broken = row.get_by_role("listitem").filter(has=mei.page.get_by_role("img", name="Broken"))
        expect(broken.first).to_contain_text("The receipt does not say what the claim says.")
        expect(row.get_by_text(re.compile(r"^(High|Medium|Low) \d+(\.\d)? %$"))).to_be_visible()
        mei.press(str(fields.index("total") + 1))
        held = row.get_by_role("listitem").filter(has=mei.page.get_by_role("img", name="Holds"))
        expect(held.filter(has_text="more than 0")).to_be_visible()
        expect(held.filter(has_text="An amount over 10,000 in the base currency is for finance.")).to_be_visible()
        mei.check()
        mei.page.get_by_text("Its text: expense-claim-contradicted").click()
        expect(mei.page.get_by_role("region", name="Text of expense-claim-contradicted")).to_contain_text("forbid (")
        mei.page.get_by_text("more rules did not apply").click()
        mei.check()


def test_the_text_of_what_decided_stands_beside_the_decision(person: Callable[..., Person], cases: Cases) -> None:
    review = cases.done()
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.go(f"/tasks/{review['task_id']}")
        ana.page.get_by_role("button", name=re.compile("^approve ")).first.click()
        ana.page.get_by_role("tab", name="Decision").click()
        ana.page.get_by_text("Its text: expense-claim-contradicted").click()
        expect(ana.page.get_by_role("region", name="Text of expense-claim-contradicted")).to_contain_text("forbid (")
        ana.check()
        ana.go("/policies")
        ana.page.get_by_label("Find policies").fill("four-eyes-subject")
        ana.page.get_by_text("Its text: four-eyes-subject").click()
        expect(ana.page.get_by_role("region", name="Text of four-eyes-subject")).to_contain_text("resource.subject")
        ana.check()


def test_escape_closes_a_dialog_and_leaves_one_where_one_is(person: Callable[..., Person], cases: Cases) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.go(f"/reviews/{review['id']}")
    expect(mei.page.get_by_role("button", name="Approve")).to_be_enabled()
    mei.press("r")
    expect(mei.page.get_by_role("dialog", name="Reject")).to_be_visible()
    mei.press("Escape")
    expect(mei.page.get_by_role("dialog", name="Reject")).to_have_count(0)
    expect(mei.page.get_by_role("heading", level=1)).to_have_text(review["request"]["title"])
    mei.press("Escape")  # with no dialog, back to the inbox
    expect(mei.page.get_by_role("heading", name="Inbox")).to_be_visible()


def test_attempts_are_a_table_and_stand_on_the_timeline(person: Callable[..., Person], cases: Cases) -> None:
    review = cases.done()

    def troubled(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        (step,) = [one for one in body["effects"] if one["name"] == "post-to-ledger"]
        error = {"kind": "OperationalError", "message": "database is locked"}
        at, later = step["started_at"], step["recorded_at"]
        step["failed_attempts"] = [{"attempt": 1, "at": at, "next_attempt_at": later, "error": error}]
        step["attempts"] = 2
        route.fulfill(response=answer, json=body)

    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.page.route("**/timeline", troubled)
        ana.go(f"/tasks/{review['task_id']}")
        ana.page.get_by_text("Pending only").click()
        ana.sees("Nothing is pending.")
        ana.page.get_by_text("Failed only").click()
        row = ana.page.get_by_role("button", name=re.compile("^post-to-ledger"))
        expect(ana.page.locator(".gantt-row")).to_have_count(1)  # what failed at first is among what failed
        expect(ana.page.locator(".gantt-retry")).to_have_count(1)
        row.click()
        ana.page.get_by_role("tab", name="Attempts (2)").click()
        table = ana.page.get_by_role("table", name="Attempts")
        expect(table.get_by_role("row").nth(1)).to_contain_text("OperationalError database is locked")
        expect(table.get_by_role("row").nth(2)).to_contain_text("ok")
        ana.check()


def test_a_refused_action_says_which_policy_refused_it(
    person: Callable[..., Person], cases: Cases, product: Product
) -> None:
    (review,) = cases.open(1)
    ana = person("ana")
    ana.expected = ("403",)
    ana.go(f"/tasks/{review['task_id']}")
    ana.page.get_by_role("button", name="Cancel").click()
    refused = ana.page.get_by_role("alert", name="Refused by policy")
    expect(refused).to_contain_text("Policy default-deny: The permission to cancel tasks is missing here.")

    amir = person("amir")
    amir.expected = ("403",)
    amir.go(f"/reviews/{review['id']}")
    amir.page.get_by_role("button", name="Approve").click()
    refused = amir.page.get_by_role("alert", name="Refused by policy")
    expect(refused).to_contain_text("Policy four-eyes-submitter:")

    with product.client() as admin:
        files = {
            "own.cedar": '@id("own") @reason("None.") forbid (principal is User, action == Action::"key.list", resource)'
            ' when { principal.roles.contains("agent") };',
            "cases.yaml": "cases:\n  - {name: a, principal: {type: User, id: 'user:a', attrs: {tenant: t, roles: [agent]}}, action: key.list,"
            " resource: {type: System, id: t, attrs: {tenant: t}}, expect: deny}\n",
        }
        proposed = admin.post("/v1/policies/changes", json={"files": files, "note": "a test"})
        assert proposed.status_code == 201, proposed.text
        change = proposed.json()
        try:
            owner = person()
            owner.expected = ("403",)
            owner.sign_in(product.admin_key)
            owner.go("/policies")
            asked = owner.page.get_by_role("region", name=f"Set {change['set_number']} is proposed")
            asked.get_by_role("button", name="Approve").click()
            expect(asked.get_by_role("alert")).to_contain_text("Policy four-eyes-policy: Who proposed")
        finally:
            admin.post(f"/v1/policies/changes/{change['number']}:reject", json={"reason": "a test"}).raise_for_status()


def test_letters_are_moved_on_this_device_and_what_is_taken_is_refused(
    person: Callable[..., Person], cases: Cases
) -> None:
    review = cases.done()
    mei = person("mei")
    mei.go(f"/reviews/{review['id']}")
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    mei.press("?")
    dialog = mei.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Move t: Its text, or its picture").click()
    mei.press("r")
    expect(dialog.get_by_role("status")).to_contain_text("r is taken: Reject.")
    mei.check()
    mei.press("Escape")
    expect(dialog.get_by_role("status")).to_have_count(0)
    dialog.get_by_role("button", name="Move t: Its text, or its picture").press("Enter")
    mei.press("y")
    expect(dialog.get_by_role("button", name="Move y: Its text, or its picture")).to_be_visible()
    mei.check()
    mei.press("Escape")
    expect(dialog).to_have_count(0)
    mei.press("t")
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    mei.press("y")
    expect(mei.page.locator(".page-sheet img")).to_have_count(0)
    mei.page.reload()  # it is kept
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    mei.press("?")
    dialog.get_by_role("switch", name="Single-letter keys").press("Space")
    mei.press("Escape", "y")
    expect(dialog).to_have_count(0)
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    mei.press("?")
    dialog.get_by_role("switch", name="Single-letter keys").press("Space")
    dialog.get_by_role("button", name="As they were").click()
    mei.press("Escape", "t")
    expect(mei.page.locator(".page-sheet img")).to_have_count(0)


def test_a_page_that_cannot_be_shown_says_what_it_is_and_why(person: Callable[..., Person]) -> None:
    mei = person("mei")
    mei.expected = ("403", "404")
    for path, title, why in (
        ("/policies", "Policies", "default-deny"),
        (f"/tasks/task_{'0' * 32}", "Task", "There is no task"),
        (f"/reviews/rev_{'0' * 32}", "Review", "There is no review"),
    ):
        mei.go(path)
        expect(mei.page.get_by_role("heading", level=1)).to_have_text(title)
        expect(mei.page.get_by_role("alert")).to_contain_text(why)
        mei.check()


def test_a_set_may_start_from_what_is_in_force(person: Callable[..., Person], product: Product) -> None:
    owner = person()
    owner.sign_in(product.admin_key)
    owner.go("/policies?tab=change")
    owner.page.get_by_role("combobox", name="Copy a policy").fill("four-eyes-subject")
    owner.page.get_by_role("option", name="four-eyes-subject").click()
    expect(owner.page.get_by_role("textbox", name="own.cedar")).to_have_value(
        re.compile('@id\\("own-four-eyes-subject"\\)')
    )
    owner.page.get_by_role("button", name="Check").click()
    expect(owner.page.get_by_role("status").filter(has_text="It compiles")).to_be_visible()


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

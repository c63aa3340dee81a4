"""What a reviewer has begun is not lost, and never becomes something else: without an answer, after a reload, after the session's end."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]


def opened(one: Person, review_id: str) -> None:
    one.go(f"/reviews/{review_id}")
    one.sees("Why you are asked")


def test_a_rejection_that_nobody_heard_is_sent_again_as_a_rejection(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.expected = ("Failed to load resource",)
    opened(mei, review["id"])
    posted: list[str] = []

    def lost(route: Route) -> None:
        posted.append(route.request.url.rpartition(":")[2])
        route.abort()

    mei.page.route(re.compile(r":(approve|reject|amend)$"), lost)
    mei.press("r")
    expect(mei.page.get_by_role("dialog").get_by_role("radio").first).to_be_focused()
    mei.press("2", "Enter")
    again = mei.page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()  # the first has failed
    with mei.page.expect_event("requestfailed", lambda failed: failed.url.endswith(":reject")):
        again.click()
    assert posted == ["reject", "reject"]  # and not what stands on the first button

    # Left behind without an answer, it is offered again, and is sent when whoever gave it says so.
    opened(mei, review["id"])
    told = mei.page.get_by_role("alert").filter(has_text="Your answer was not sent: rejected")
    expect(told).to_be_visible()
    mei.check()
    assert len(posted) == 2
    mei.page.unroute_all()
    mei.holds_long()
    told.get_by_role("button", name="Send it").click()
    mei.sees("Rejected:")
    assert cases.review(review["id"])["answer"]["verdict"] == "reject"
    mei.takes_back(review["request"]["title"])
    expect(told).to_have_count(0)


# Keys in one turn of the page, as it hears those that came while it was busy.
STRUCK = (
    "async keys => { for (const [key, code] of keys) {"
    " document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, code, bubbles: true, cancelable: true }));"
    " for (let n = 0; n < 50; n++) await null; } }"
)


def test_keys_that_are_struck_fast_reach_the_dialog_that_the_first_of_them_opens(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    opened(mei, review["id"])
    mei.holds_long()
    mei.page.evaluate(STRUCK, [["r", "KeyR"], ["3", "Digit3"], ["Enter", "Enter"]])
    mei.sees("Rejected:")
    assert cases.review(review["id"])["answer"]["reason"] == "It does not fit the claim."
    mei.takes_back(review["request"]["title"])


def test_an_answer_given_without_a_network_is_offered_after_a_reload(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.expected = ("ERR_INTERNET_DISCONNECTED", "Failed to load resource")
    opened(mei, review["id"])
    mei.page.context.set_offline(True)
    mei.press("a")
    # The page may not have heard yet that it is offline: then the request fails, and either way nothing was answered.
    mei.sees(re.compile("There is no network|The server does not answer"))
    mei.page.close()  # and only then the network is back
    mei.page = mei.page.context.new_page()
    mei.page.context.set_offline(False)
    opened(mei, review["id"])
    mei.sees("Your answer was not sent: approved")
    assert cases.review(review["id"])["answer"] is None
    mei.page.get_by_role("button", name="Forget it").click()
    mei.page.reload()
    mei.sees("Why you are asked")
    expect(mei.page.get_by_text("Your answer was not sent")).to_have_count(0)


def test_an_answer_is_taken_back_by_its_key_after_a_reload_too(person: Callable[..., Person], cases: Cases) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.holds_long()
    mei.go(f"/reviews/{review['id']}?queue=open&risk=medium")
    mei.sees("Why you are asked")
    mei.press("a")
    mei.sees("Approved:")
    mei.page.wait_for_url(lambda url: review["id"] not in url)  # the next one, or the inbox
    mei.page.reload()
    mei.page.get_by_role("heading", level=1).wait_for()
    mei.press("u")
    mei.page.wait_for_url(f"**/reviews/{review['id']}?queue=open&risk=medium")  # where it was answered from
    assert cases.review(review["id"])["answer"] is None


def test_answers_given_together_are_taken_back_by_one_key_and_the_inbox_stays_where_one_was(
    person: Callable[..., Person], cases: Cases
) -> None:
    first, second = cases.open(2, "team lunch")
    mei = person("mei")
    mei.holds_long()
    mei.go("/inbox?order=newest")
    for one in (first, second):
        mei.page.locator(f"#review-{one['id']}").get_by_role("checkbox").check()
    mei.page.get_by_role("heading", name="Inbox").click()
    mei.press("a")
    mei.sees("Approved: 2 of 2")
    mei.press("u")
    mei.sees("Taken back: 2 of 2")
    assert [cases.review(one["id"])["answer"] for one in (first, second)] == [None, None]

    mei.page.locator(f"#review-{first['id']}").wait_for()
    top = mei.page.locator("li.row-link").first.get_attribute("id")
    mei.press("j")
    here = mei.page.locator("li.row-link[data-current=true]")
    expect(here).not_to_have_attribute("id", str(top))
    place = here.get_attribute("id")
    mei.press("Enter")
    mei.page.wait_for_url("**/reviews/**")
    mei.page.go_back()
    expect(here).to_have_attribute("id", str(place))
    (later,) = cases.open(1, "after them")
    mei.page.locator(f"#review-{later['id']}").wait_for()  # comes before it, newest first
    expect(here).to_have_attribute("id", str(place))


def test_words_that_are_not_sent_outlive_the_session_and_are_not_shown_to_somebody_else(
    person: Callable[..., Person], cases: Cases
) -> None:
    review = cases.waiting()
    mei = person("mei")
    mei.expected = ("401", "403")
    opened(mei, review["id"])
    own, asked = mei.page.get_by_label("In your own words"), mei.page.get_by_label("To user:amir")
    mei.page.get_by_role("button", name="Ask", exact=True).click()
    asked.fill("Who came along?")
    mei.press("Escape", "r")
    own.fill("The guests are missing.")

    def over(route: Route) -> None:  # in this very moment: sooner, another request might have been first to hear of it
        mei.page.context.clear_cookies()
        route.fulfill(status=401, json={"title": "The session is over"})

    mei.page.route("**/v1/reviews/*:reject", over)
    mei.page.get_by_role("dialog").get_by_role("button", name=re.compile("^Reject")).click()
    for name, words, question in (("priya", "", ""), ("mei", "The guests are missing.", "Who came along?")):
        mei.page.get_by_placeholder("il_…").fill(cases.keys[name])
        mei.press("Enter")
        mei.sees("Why you are asked")
        assert f"/reviews/{review['id']}" in mei.page.url
        expect(mei.page.get_by_text("Your answer was not sent: rejected")).to_have_count(1 if words else 0)
        mei.press("r")
        expect(own).to_have_value(words)
        mei.press("Escape")
        mei.page.get_by_role("button", name="Ask", exact=True).click()
        expect(asked).to_have_value(question)
        mei.press("Escape")
        mei.page.context.clear_cookies()
        mei.page.reload()
    assert cases.review(review["id"])["answer"] is None


def test_who_comes_too_late_is_told_who_was_faster_in_their_own_time(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1)
    mei, priya = person("mei"), person("priya")
    priya.expected = ("409",)
    priya.hears_nothing()
    opened(mei, review["id"])
    opened(priya, review["id"])
    mei.press("a")
    mei.sees("Approved:")
    priya.press("a")
    priya.sees("Your answer came too late")
    expect(priya.page.get_by_text("user:mei has answered: approved")).to_be_visible()
    expect(priya.page.get_by_text("+00:00")).to_have_count(0)
    priya.check()

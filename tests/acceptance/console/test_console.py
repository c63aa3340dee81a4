"""The console in a real browser, against the product as the README starts it."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx
import psycopg
import pytest
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.console.long_table import load_all
from tests.acceptance.product import Product

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

SIZES = [(1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]
OFFLINE = ("net::ERR_INTERNET_DISCONNECTED", "Failed to load resource")


def test_signing_in_and_out(person: Callable[..., Person], cases: Cases, product: Product) -> None:
    mei = person()
    mei.expected = ("401",)
    mei.go("/inbox")
    expect(mei.page.get_by_role("heading", name="Sign in to Interlock")).to_be_visible()
    mei.check()
    mei.page.get_by_placeholder("il_…").fill("il_test_nonsense_nonsense")
    mei.press("Enter")
    expect(mei.page.get_by_role("alert")).to_contain_text("key")
    mei.page.get_by_placeholder("il_…").fill(cases.keys["mei"])
    mei.press("Enter")
    expect(mei.page.get_by_role("heading", name="Inbox")).to_be_visible()  # where they wanted to go
    cookie = next(one for one in mei.page.context.cookies() if one["name"] == "interlock")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert mei.page.evaluate("document.cookie + JSON.stringify(localStorage)").count("il_") == 0
    mei.page.reload()
    expect(mei.page.get_by_role("heading", name="Inbox")).to_be_visible()
    mei.page.get_by_label("Signed in as user:mei").click()
    mei.page.get_by_role("menuitem", name="Sign out").click()
    expect(mei.page.get_by_role("heading", name="Sign in to Interlock")).to_be_visible()
    stolen = httpx.get(
        f"{product.url}/v1/sessions/current", cookies={"interlock": str(cookie["value"])}, trust_env=False
    )
    assert stolen.status_code == 401


def test_ten_receipts_are_reviewed_by_the_keyboard_alone(person: Callable[..., Person], cases: Cases) -> None:
    reviews = cases.open(10)
    mei = person("mei")
    mei.press("Control+k")
    mei.page.get_by_placeholder("Page, ID or words").wait_for()
    mei.page.keyboard.type("inbox")
    mei.press("Enter")
    mei.page.locator("li.row-link").nth(9).wait_for()
    waiting = cases.reviews("open")
    mei.press("Enter")
    pressed = 0
    for review in waiting:
        mei.page.wait_for_url(f"**/reviews/{review['id']}**")
        # A person presses a key for what they see: the address changes before the page does.
        expect(mei.page.get_by_role("heading", level=1)).to_have_text(review["request"]["title"])
        expect(mei.page.locator(".page-sheet img")).to_be_visible()
        mei.press("a")  # stored, and the next one is shown
        pressed += 1
        mei.sees("Approved:")
    assert pressed == len(waiting) >= 10
    for review in reviews:
        task = cases.ended(review["task_id"])
        assert task["output"]["by"] == "user:mei", task
        assert task["output"]["decision"] == "approved"


def test_a_rejection_by_digits_can_be_taken_back_and_an_amendment_says_what_changed(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1, purpose="<img src=x onerror=alert(1)>")
    mei = person("mei")
    mei.go(f"/reviews/{review['id']}")
    mei.holds_long()
    mei.sees("Why you are asked")
    mei.sees("<img src=x onerror=alert(1)>")  # as text
    mei.press("r")
    mei.page.get_by_role("dialog").wait_for()
    mei.check()
    mei.press("3", "Enter")
    mei.sees("Rejected:")
    assert cases.review(review["id"])["answer"]["reason"] == "It does not fit the claim."
    mei.takes_back(review["request"]["title"])
    assert cases.review(review["id"])["answer"] is None

    fields = list(cases.review(review["id"])["request"]["form"]["properties"])
    mei.press(str(fields.index("merchant") + 1), "e")
    mei.page.get_by_role("textbox", name="Merchant").fill("Kedai Amended")
    mei.page.unroute_all()
    mei.page.reload()  # nothing is lost
    mei.sees("Kedai Amended")
    expect(mei.page.get_by_role("button", name="Approve 1 changed")).to_be_enabled()
    mei.press("Control+Enter")
    mei.sees("Approved with changes:")
    answer = cases.review(review["id"])["answer"]
    assert [(c["pointer"], c["after"]) for c in answer["changes"]] == [("/merchant", "Kedai Amended")]
    assert answer["verdict"] == "amend"


def test_of_two_at_once_the_second_is_told_who_was_first(person: Callable[..., Person], cases: Cases) -> None:
    (review,) = cases.open(1)
    mei, priya = person("mei"), person("priya")
    priya.expected = ("409",)
    priya.hears_nothing()
    for one in (mei, priya):
        one.go(f"/reviews/{review['id']}")
        expect(one.page.get_by_role("button", name="Approve")).to_be_enabled()
    mei.press("a")
    mei.sees("Approved:")
    priya.press("a")
    expect(priya.page.get_by_text("user:mei").first).to_be_visible()
    expect(priya.page.get_by_text("has answered").first).to_be_visible()


def test_without_a_network_nothing_is_lost(person: Callable[..., Person], cases: Cases) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.expected = OFFLINE
    mei.go(f"/reviews/{review['id']}")
    expect(mei.page.get_by_role("button", name="Approve")).to_be_enabled()
    expect(mei.page.locator(".page-sheet img")).to_be_visible()
    mei.goes_offline()
    mei.press("r")
    mei.page.get_by_role("dialog").wait_for()
    mei.press("2", "Enter")
    expect(mei.page.get_by_role("alert").filter(has_text="There is no network")).to_be_visible()
    assert cases.review(review["id"])["answer"] is None
    mei.page.context.set_offline(False)  # and it is sent by itself
    mei.sees("Rejected:")
    assert cases.review(review["id"])["answer"]["reason"] == "It is not allowed by the rules."


def test_a_task_shows_its_course_and_its_records_are_verified_here(person: Callable[..., Person], cases: Cases) -> None:
    done = cases.done()
    ana = person("ana")
    ana.go(f"/tasks/{done['task_id']}")
    row = ana.page.get_by_role("button", name=re.compile("read-receipt"))
    row.click()
    ana.page.get_by_role("tab", name="Decision").click()
    ana.sees("automation-performs-declared-effects")
    ana.page.get_by_role("tab", name="Audit records").click()
    expect(ana.page.get_by_text("verified", exact=True).nth(6)).to_be_visible()
    expect(ana.page.get_by_text("does not hold")).to_have_count(0)
    ana.check()

    def tampered(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["items"][0]["leaf"] = body["items"][0]["leaf"].replace("task.accepted", "task.excepted")
        route.fulfill(response=answer, json=body)

    ana.page.route("**/v1/audit/records*", tampered)
    ana.page.reload()
    ana.page.get_by_role("tab", name="Audit records").click()
    expect(ana.page.get_by_text("does not hold")).to_have_count(1)
    ana.page.unroute_all(behavior="wait")


def test_who_may_not_is_told_by_which_policy(person: Callable[..., Person], cases: Cases) -> None:
    done = cases.done()
    ana = person("ana")
    ana.expected = ("403",)
    waiting = cases.open(1)[0]
    ana.go(f"/tasks/{waiting['task_id']}")
    ana.page.get_by_role("button", name="Cancel").click()
    expect(ana.page.get_by_role("alert").filter(has_text="Policy")).to_be_visible()
    assert cases.task(done["task_id"])["state"] == "succeeded"
    assert cases.task(waiting["task_id"])["state"] == "waiting"


def test_ten_thousand_tasks_are_a_few_rows_of_the_page(
    person: Callable[..., Person], cases: Cases, product: Product
) -> None:
    with psycopg.connect(product.owner_url, autocommit=True) as conn:
        conn.execute(
            "insert into interlock.tasks (tenant, id, automation, automation_version, state, correlation_id, subject, input, submitted_by, output,"
            " accepted_at, ended_at) select 'default', 'task_' || md5(n::text), 'expenses', '1.0.0', 'cancelled', md5('c' || n), 'user:many', '{}',"
            " 'user:many', json_build_object('merchant', 'Shop ' || n), now() - interval '1 day', now() from generate_series(1, 10000) n"
        )
        try:
            ana = person("ana")
            table = ana.page.get_by_role("table", name="Tasks")
            load_all(ana.page, product.url)
            assert table.get_by_role("row").count() < 80
            ana.page.get_by_label("Find tasks").fill("user:many shop 7777")
            ana.sees("Shop 7777")
            ana.expected = ("404",)
            ana.page.get_by_label("Find tasks").fill(f"task_{'0' * 32}")
            ana.sees("There is no task")
        finally:
            conn.execute("delete from interlock.tasks where subject = 'user:many'")


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_every_page_fits_and_is_accessible(
    person: Callable[..., Person], cases: Cases, width: int, height: int, scheme: str
) -> None:
    ana = person("ana", width, height, scheme)
    review, task = (cases.done()[name] for name in ("id", "task_id"))
    for path, what in (
        ("/", "Home"),
        ("/inbox", "Inbox"),
        (f"/reviews/{review}", ""),
        ("/tasks", "Tasks"),
        (f"/tasks/{task}", "expenses"),
        ("/no-such-page", "There is no such page"),
    ):
        ana.go(path)
        ana.page.get_by_role("heading", name=what).first.wait_for()
        ana.check()
    ana.go("/")
    ana.page.get_by_role("heading", name="Home").wait_for()
    ana.press("?")
    ana.page.get_by_role("dialog").wait_for()
    expect(ana.page.get_by_role("dialog")).to_have_css("opacity", "1")
    ana.check()

"""Periods: home's numbers lead to the tasks behind them, times are picked by keys alone, and what waits is found by whom it is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]
SIZES = ((1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark"))


def test_the_numbers_of_a_period_lead_to_the_tasks_of_that_period(person: Callable[..., Person], cases: Cases) -> None:
    cases.done()
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.page.get_by_text("7 days").click()
        ana.page.get_by_role("link", name=re.compile("^Done")).click()
        ana.page.wait_for_url("**/tasks?find=succeeded&since=168h")
        expect(ana.page.get_by_role("button", name="In the last 168 hours")).to_be_visible()
        expect(ana.page.locator(".task-row").filter(has_text="succeeded").first).to_be_visible()
        ana.page.go_back()
        cost = ana.page.get_by_role("link", name=re.compile(r"^Cost ?\$\d"))
        expect(cost).to_be_visible()
        expect(ana.page.get_by_role("link", name=re.compile("^p95"))).to_be_visible()
        ana.check()


def test_a_period_is_picked_by_keys_alone(person: Callable[..., Person], cases: Cases) -> None:
    cases.done()
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.go("/tasks")
        ana.page.locator(".task-row a").first.wait_for()
        when = ana.page.get_by_role("button", name="Any time").first
        when.focus()
        ana.press("Enter")
        ana.page.get_by_role("button", name="7 days").focus()
        ana.press("Enter")
        ana.page.wait_for_url("**since=7d**")
        ana.check()
        before = ana.page.get_by_role("button", name="Accepted before", exact=True)  # and not what stands there before
        before.focus()
        ana.press("Enter")
        ana.page.get_by_role("button", name="Previous month").focus()
        ana.press("Enter")
        ana.check()  # with the calendar open
        day = ana.page.get_by_role("button", name=re.compile(r"^1 \w+ \d{4}$"))
        day.focus()
        ana.press("ArrowRight", "Enter", "Escape")
        ana.page.wait_for_url(re.compile("until=20"))
        ana.sees("No task has all of this.")
        expect(
            ana.page.get_by_role("button", name=re.compile(r"^In the last 7 days, before \w+ 2, \d{4}"))
        ).to_be_visible()
        ana.page.reload()  # it stands in the address
        ana.sees("No task has all of this.")


def test_the_audit_log_takes_times_of_the_readers_zone_also_where_the_clocks_change(
    person: Callable[..., Person], cases: Cases
) -> None:
    cases.done()
    one = person("ana")
    context = one.page.context.browser
    assert context is not None
    page = context.new_context(
        timezone_id="America/New_York", storage_state=one.page.context.storage_state()
    ).new_page()
    # The hour from one to two comes twice on this day: both ends say 01:30, and stay what they are.
    page.goto(f"{one.url}/console/audit?since=2026-11-01T05:30:00.000Z&until=2026-11-01T06:30:00.000Z")
    for end in ("Since", "Until"):
        expect(page.get_by_label(end, exact=True)).to_contain_text("2026-11-01 01:30:00")
    page.get_by_label("Person").fill("user:amir")
    with page.expect_request(re.compile(r"/v1/audit/records\?.*user%3Aamir")) as asked:
        page.get_by_role("button", name="Filter", exact=True).click()
    assert "since=2026-11-01T05%3A30%3A00.000Z" in asked.value.url
    assert "until=2026-11-01T06%3A30%3A00.000Z" in asked.value.url
    page.context.close()


def test_what_waits_for_a_person_is_found_by_whom_it_is_about(person: Callable[..., Person], cases: Cases) -> None:
    review = cases.waiting()
    title = review["request"]["title"]
    amir = person("amir")
    amir.go("/tasks")
    amir.page.get_by_label("Find tasks").fill(title.split(":")[0])
    row = amir.page.locator(".task-line").filter(has=amir.page.get_by_label(f"Select {review['task_id']}"))
    expect(row).to_contain_text(title.split(":")[0])


def test_the_first_steps_are_ticked_off_one_by_one_and_go_when_they_are_done(
    person: Callable[..., Person], cases: Cases, product: Product
) -> None:
    cases.done()
    ana = person("ana")
    expect(ana.page.get_by_role("region", name="First steps")).to_have_count(0)  # others have answered here
    with product.client() as admin:
        made = admin.post("/v1/tenants", json={"tenant": "console-new", "name": "New", "owner": "user:olga"})
        assert made.status_code == 201, made.text
    for width, height, scheme in SIZES:
        olga = person(None, width, height, scheme)
        olga.sign_in(made.json()["key"])
        steps = olga.page.get_by_role("region", name="First steps")
        expect(steps.get_by_role("img", name="Done")).to_have_count(1)
        olga.sees("No task was accepted in this time.")
        olga.check()

    def handed_in(route: Route) -> None:
        route.fulfill(json={"items": [{"id": "task_1"}], "next_cursor": None})

    olga.page.route("**/v1/tasks?limit=1", handed_in)
    olga.page.reload()
    expect(steps.get_by_role("img", name="Done")).to_have_count(2)
    olga.page.get_by_role("button", name="Close the first steps").click()
    expect(steps).to_have_count(0)
    olga.page.reload()
    olga.sees("No task was accepted in this time.")
    expect(steps).to_have_count(0)


LONG = "Donaudampfschifffahrtsgesellschaft" * 12


def test_long_words_other_directions_and_two_hundred_lines_stay_in_their_place(
    person: Callable[..., Person], cases: Cases
) -> None:
    done = cases.done()

    def hostile(route: Route) -> None:
        answer = route.fetch()
        body: dict[str, Any] = answer.json()
        body["request"]["title"] = f"مطعم 🍜 {LONG}"
        body["request"]["reasons"].append(LONG)
        body["request"]["form"]["properties"]["line_items"] = {"type": "array", "title": "Line items"}
        body["values"] |= {
            "merchant": f"שלום עולם 👨‍👩‍👧 {LONG}",
            "line_items": [{"what": f"Item {number} {'x' * 80}", "amount": f"{number}.00"} for number in range(200)],
        }
        route.fulfill(response=answer, json=body)

    for width, height, scheme in (*SIZES, (320, 640, "light")):
        mei = person("mei", width, height, scheme)
        mei.page.route(f"**/v1/reviews/{done['id']}", hostile)
        mei.go(f"/reviews/{done['id']}")
        mei.sees("200 entries")
        items = mei.page.get_by_role("region", name="Line items, entries")
        expect(items.get_by_role("row")).to_have_count(201)
        expect(items.get_by_role("columnheader")).to_have_text(["what", "amount"])
        mei.check()  # also that nothing is wider than the screen

"""A step's logs on the task's page: by attempt, narrowed and copied; where there are none, how to write some."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product
from tests.eventually import eventually_sync

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]
SIZES = ((1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark"))
SHOTS = Path(__file__).parents[3] / ".pytest_cache" / "screenshots"


def opened(one: Person, task_id: str, effect: str = "post-to-ledger") -> Page:
    one.go(f"/tasks/{task_id}")
    one.page.get_by_role("button", name=re.compile(f"^{effect}")).click()
    tab = one.page.get_by_role("tab", name="Logs")
    tab.focus()
    one.press("Enter")
    return one.page


@pytest.fixture(scope="module")
def talked(product: Product, cases: Cases) -> str:
    """A task whose step failed once and then wrote more lines than a page holds; all of them are there."""
    with product.client(cases.keys["amir"]) as amir:
        answer = amir.post("/v1/tasks", json={"automation": "talk", "input": {"amount": "47.50 EUR"}})
        task_id: str = answer.json()["id"]

        def written() -> bool:
            page = amir.get(f"/v1/tasks/{task_id}/logs", params={"limit": 200}).json()
            asked = {"limit": 200, "cursor": page["next_cursor"]}
            rest = amir.get(f"/v1/tasks/{task_id}/logs", params=asked).json() if page["next_cursor"] else page
            return any("posted as entry" in line["text"] for line in rest["items"])

        eventually_sync(written, 60)
    return task_id


def test_logs_stand_by_attempt_and_are_narrowed_and_copied(
    person: Callable[..., Person], cases: Cases, talked: str
) -> None:
    asked: list[str] = []
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.page.on("request", lambda request: asked.append(request.url) if "/logs?" in request.url else None)
        ana.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        ana.go(f"/tasks/{talked}")
        ana.page.get_by_role("button", name=re.compile("^post")).wait_for()
        assert asked == []  # read when somebody opens them
        page = opened(ana, talked, "post")
        first = page.get_by_role("region", name="Logs of attempt 1")
        expect(first).to_contain_text("posting 47.50 EUR to account 6640")
        expect(first).to_contain_text("connected")
        expect(first).to_contain_text(re.compile(r"\d+ more characters"))  # of the long warning
        expect(first).to_contain_text("sqlite3.OperationalError: database is locked")
        expect(first).not_to_contain_text("sdk/run")  # the traceback begins with the author's code
        assert "effect=%2Fpost%231" in asked[0]
        second = page.get_by_role("region", name="Logs of attempt 2")
        expect(second).not_to_contain_text("posted as entry 1207")
        page.get_by_role("button", name="More lines").click()
        expect(second).to_contain_text("posted as entry 1207")
        first.focus()
        expect(first).to_be_focused()
        ana.check()
        page.screenshot(path=SHOTS / f"logs-{width}-{scheme}.png", full_page=True)
        page.get_by_role("radiogroup", name="Least severe level").get_by_text("Errors").click()
        expect(page.get_by_role("status").filter(has_text="lines")).to_have_text(re.compile(r"^[1-9] of 23\d lines$"))
        expect(second).to_have_count(0)
        page.get_by_label("Find in the logs").fill("OPERATIONALERROR: DATABASE")
        expect(first.get_by_role("listitem")).to_have_count(1)
        page.get_by_role("button", name="Copy", exact=True).click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z error ", copied), copied
        assert "database is locked" in copied
        page.get_by_label("Find in the logs").fill("nowhere")
        ana.sees("No line that was read fits.")
        asked.clear()


def test_where_nothing_was_written_the_page_says_how_to_write_something(
    person: Callable[..., Person], cases: Cases
) -> None:
    review = cases.done()
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        page = opened(ana, review["task_id"])  # the product's own answer
        ana.sees("This step wrote nothing.")
        expect(page.get_by_text("logging.getLogger")).to_be_visible()
        ana.check()
        page.screenshot(path=SHOTS / f"logs-none-{width}-{scheme}.png", full_page=True)
    page.get_by_role("button", name=re.compile("^read-receipt")).click()
    page.get_by_role("tab", name="Facts").wait_for()
    expect(page.get_by_role("tab", name="Logs")).to_have_count(0)  # a model logs nothing here

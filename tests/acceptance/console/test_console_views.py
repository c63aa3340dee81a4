"""The console's lists: reviews that are given to somebody, filters and views that are kept, tasks that are dealt with."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.eventually import eventually_sync

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

SIZES = [(1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


def test_a_review_is_given_to_somebody_from_its_page_and_many_from_the_inbox(
    person: Callable[..., Person], cases: Cases
) -> None:
    reviews = cases.open(3)
    mei = person("mei")
    mei.expected = ("422",)
    mei.go(f"/reviews/{reviews[0]['id']}")
    mei.page.get_by_role("button", name="Give to…").wait_for()
    mei.press("g")
    dialog = mei.page.get_by_role("dialog")
    expect(dialog.get_by_role("combobox", name="To")).to_be_focused()
    dialog.get_by_role("combobox", name="To").fill("amir")  # who handed it in
    mei.press("Enter")
    expect(dialog).to_contain_text("user:amir could not approve this review")
    mei.check()
    dialog.get_by_role("combobox", name="To").fill("pri")
    mei.page.get_by_role("option", name="user:priya").click()
    dialog.get_by_role("button", name="Give", exact=True).click()
    mei.sees("user:priya has claimed it")
    assert cases.review(reviews[0]["id"])["assignee"] == "user:priya"

    mei.go("/inbox")
    for review in reviews[1:]:
        mei.page.locator(f"#review-{review['id']}").get_by_role("checkbox").check()
    mei.page.get_by_role("button", name="Give to…").click()
    expect(dialog).to_contain_text("Give 2 to somebody")
    dialog.get_by_role("combobox", name="To").fill("user:priya")
    mei.check()
    dialog.get_by_role("button", name="Give", exact=True).click()
    mei.sees("Given to user:priya: 2 of 2")
    assert {cases.review(review["id"])["assignee"] for review in reviews} == {"user:priya"}
    for review in reviews:
        cases.free(review["id"])


def test_failed_tasks_are_marked_as_resolved_and_taken_back(person: Callable[..., Person], cases: Cases) -> None:
    failed = [cases.cancelled() for _ in range(2)]
    amir = person("amir")
    amir.go(f"/tasks/{failed[0]}")
    amir.page.get_by_role("button", name="Mark as resolved").click()
    dialog = amir.page.get_by_role("dialog")
    dialog.get_by_label("Why").fill("handed in by hand")
    amir.check()
    dialog.get_by_role("button", name="Mark as resolved").click()
    amir.sees("user:amir has resolved it")
    amir.check()
    assert cases.task(failed[0])["resolved"]["note"] == "handed in by hand"
    amir.page.get_by_role("button", name="Reopen").click()
    expect(amir.page.get_by_text("has resolved it")).to_have_count(0)

    amir.go("/tasks?find=cancelled unresolved")
    for task in failed:
        amir.page.get_by_label(f"Select {task}").check()
    amir.page.get_by_role("button", name="Mark as resolved").click()
    dialog.get_by_label("Why").fill("known")
    dialog.get_by_role("button", name="Mark as resolved").click()
    amir.sees("Resolved: 2 of 2")
    expect(amir.page.get_by_label(f"Select {failed[0]}")).to_have_count(0)
    assert [cases.task(task)["resolved"]["by"] for task in failed] == ["user:amir"] * 2


def test_the_inbox_is_narrowed_by_the_server_and_kept_as_a_view(person: Callable[..., Person], cases: Cases) -> None:
    withdrawn = cases.open(1, "a conference in Lisbon")[0]
    other = cases.open(1)[0]
    mei = person("mei")
    mei.expected = ("409",)
    mei.go("/inbox")
    row, beside = (mei.page.locator(f"#review-{review['id']}") for review in (withdrawn, other))
    row.wait_for()
    mei.page.get_by_label("Find in the inbox").fill(withdrawn["id"])
    expect(beside).to_have_count(0)
    mei.page.get_by_label("Order", exact=True).select_option("Soonest due first")
    mei.page.wait_for_url("**order=due**")
    mei.page.get_by_label("Role", exact=True).fill("manager")
    mei.page.wait_for_url("**role=manager**")
    expect(row).to_be_visible()
    mei.page.get_by_label("Risk", exact=True).select_option(
        "Medium risk" if withdrawn["risk"] != "medium" else "Low risk"
    )
    mei.sees("Nothing here has all of this.")
    mei.check()
    mei.page.get_by_label("Risk", exact=True).select_option("Any risk")
    expect(row).to_be_visible()

    mei.page.get_by_role("button", name="Views").click()
    mei.page.get_by_role("menuitem", name="Save view…").click()
    dialog = mei.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("One receipt")
    mei.check()
    mei.press("Enter")
    expect(mei.page.get_by_role("button", name="One receipt", exact=True)).to_be_visible()
    mei.page.reload()  # what it is narrowed to stands in the address
    expect(mei.page.get_by_label("Find in the inbox")).to_have_value(withdrawn["id"])
    expect(beside).to_have_count(0)

    mei.page.get_by_label("Find in the inbox").fill("")
    mei.page.get_by_role("button", name="One receipt, changed").click()
    mei.check()
    mei.page.get_by_role("menuitem", name="Rename…").click()
    dialog.get_by_label("Name").fill("Everything for managers")
    mei.press("Enter")
    mei.page.get_by_role("button", name="Everything for managers, changed").click()
    mei.page.get_by_role("menuitem", name="Update “Everything for managers”").click()
    dialog.get_by_role("button", name="Update").click()
    expect(mei.page.get_by_role("button", name="Everything for managers", exact=True)).to_be_visible()

    mei.go("/")
    mei.page.get_by_role("heading", name="Home").wait_for()
    mei.press("Control+k")
    mei.page.get_by_label("Search and commands").fill("Everything for")
    mei.page.get_by_text("View: Everything for managers").click()
    mei.page.wait_for_url("**/inbox?**role=manager**")
    expect(beside).to_be_visible()
    beside.get_by_role("link").click()  # the review's neighbours are those of the view
    mei.page.wait_for_url("**/reviews/**role=manager**")
    mei.sees("Why you are asked")
    mei.press("Escape")
    mei.page.get_by_role("button", name="Everything for managers", exact=True).click()
    mei.page.get_by_role("menuitem", name="Delete…").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(mei.page.get_by_role("button", name="Views", exact=True)).to_be_visible()


# One letter more, in the turn in which the address follows what was typed before.
TYPED_MEANWHILE = """() => navigation.addEventListener('currententrychange', function more() {
    if (!location.search.endsWith('=zz')) return;
    navigation.removeEventListener('currententrychange', more);
    document.execCommand('insertText', false, 'z');
})"""


def test_what_is_typed_while_the_address_follows_is_not_lost(person: Callable[..., Person], cases: Cases) -> None:
    mei = person("mei")
    for path, label in (("/inbox", "Find in the inbox"), ("/inbox", "Role"), ("/tasks", "Find tasks")):
        mei.go(path)
        box = mei.page.get_by_label(label, exact=True)
        box.wait_for()
        mei.page.evaluate(TYPED_MEANWHILE)
        box.fill("zz")
        mei.page.wait_for_url(re.compile("=zzz$"))
        expect(box).to_have_value("zzz")


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_lists_fit_and_read_well(
    person: Callable[..., Person], cases: Cases, width: int, height: int, scheme: str
) -> None:
    cases.done()
    mei = person("mei", width, height, scheme)
    for path, heading in (("/inbox?queue=done", "Inbox"), ("/tasks", "Tasks"), ("/", "Home")):
        mei.go(path)
        mei.page.get_by_role("heading", name=heading, exact=True).wait_for()
        mei.page.wait_for_load_state("networkidle")
        mei.check()


def test_columns_are_chosen_kept_and_go_into_a_view(person: Callable[..., Person], cases: Cases) -> None:
    cases.done()
    amir = person("amir")
    amir.go("/tasks")
    table = amir.page.get_by_role("table", name="Tasks")
    heads = table.get_by_role("columnheader")
    expect(heads).to_have_text(["Select", "State", "What", "By", "Accepted", "Took", "Resolved"])
    amir.page.get_by_role("button", name="Columns").click()
    amir.page.get_by_role("checkbox", name="By", exact=True).uncheck()
    amir.page.wait_for_url("**columns=**")
    some = amir.page.get_by_role("checkbox", name=re.compile("^(Took|Resolved)$"))
    expect(some).to_have_count(2)
    some.evaluate_all("boxes => boxes.forEach(box => box.click())")  # faster than the address follows
    amir.page.get_by_role("checkbox", name="ID", exact=True).check()
    amir.check()
    amir.press("Escape")
    expect(heads).to_have_text(["Select", "State", "What", "Accepted", "ID"])
    first = table.get_by_role("row").nth(1)  # others may have handed in thousands since
    expect(first.get_by_role("cell").last).to_have_text(re.compile(r"^task_\w+$"))
    amir.page.get_by_role("button", name="Views").click()
    amir.page.get_by_role("menuitem", name="Save view…").click()
    dialog = amir.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("By ID")
    amir.press("Enter")
    expect(amir.page.get_by_role("button", name="By ID", exact=True)).to_be_visible()
    amir.go("/tasks")  # this browser keeps them too
    expect(heads).to_have_text(["Select", "State", "What", "Accepted", "ID"])

    elsewhere = person("amir")
    elsewhere.go("/tasks")
    heads = elsewhere.page.get_by_role("columnheader")
    expect(heads).to_have_count(7)
    elsewhere.page.get_by_role("button", name="Views").click()
    elsewhere.page.get_by_role("menuitem", name="By ID").click()
    expect(heads).to_have_text(["Select", "State", "What", "Accepted", "ID"])


def test_the_charts_numbers_stand_in_a_table_too(person: Callable[..., Person], cases: Cases) -> None:
    cases.done()
    ana = person("ana")
    ana.page.get_by_role("button", name="Show charts").click()
    ana.page.reload()  # whoever wants them has them from then on
    ana.page.get_by_text("The same numbers as a table").click()
    table = ana.page.get_by_role("region", name="Tasks by outcome and time").get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(26)  # the head, and each hour that is begun

    def agree() -> bool:  # tasks of other tests may still end, and the two are read anew at different times
        succeeded = [int(cell) for cell in table.locator("tbody td:nth-of-type(1)").all_inner_texts()]
        shown = ana.page.get_by_role("link", name="Done").inner_text().split()
        return sum(succeeded) == int(shown[-1]) > 0

    eventually_sync(agree, 60, message="the sum of the table is the number of tasks done")
    ana.check()
    ana.page.get_by_text("7 days").click()
    expect(table.get_by_role("row")).to_have_count(9)

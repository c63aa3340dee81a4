"""The console's pages for whoever builds, runs and lets people in: automations with a form to try them, access, one's own profile."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.console.long_table import load_all, long_on_processor, long_tasks, many_tasks
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

SIZES = [(1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]
TABS = ("keys", "people", "sessions", "delegations", "elevations", "providers", "webhook")


@pytest.fixture
def admin(person: Callable[..., Person], product: Product) -> Person:
    """Whoever has every right in the tenant."""
    one = person()
    one.sign_in(product.admin_key)
    return one


def test_a_form_from_the_schema_takes_a_file_and_leads_to_a_task(
    person: Callable[..., Person], cases: Cases, receipts: list[Receipt]
) -> None:
    amir = person("amir")
    amir.expected = ("422",)
    receipt = receipts[0]
    amir.go("/automations")
    amir.page.get_by_role("link", name="expenses", exact=True).click()
    amir.page.get_by_label("Documents: files").set_input_files(receipt.file)
    preview = amir.page.get_by_role("img", name=f"{receipt.file.name}, the first page")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0

    amir.page.get_by_label("Employee").fill("amir")
    amir.page.get_by_label("Amount").fill(receipt.sample.total)
    date = amir.page.get_by_label("Date", exact=True)
    date.fill(receipt.sample.date)
    amir.press("Tab", "Enter")
    calendar = amir.page.get_by_role("dialog", name="Calendar")
    calendar.get_by_role("button", name="Previous month").wait_for()
    amir.check()
    amir.press("Escape")
    expect(calendar).to_have_count(0)
    expect(date).to_have_value(receipt.sample.date)
    expect(amir.page.get_by_role("button", name="Open the calendar").first).to_be_focused()  # a moment later
    amir.press("Enter")
    month = receipt.sample.date[:8]
    calendar.get_by_role("button").filter(has_text=re.compile(r"^14$")).click()
    expect(date).to_have_value(f"{month}14")  # in the month of what was typed
    expect(amir.page.get_by_role("button", name="Open the calendar").first).to_be_focused()
    date.fill("on a Tuesday")
    amir.page.get_by_role("button", name="Hand in").click()
    expect(date).to_have_accessible_description(
        re.compile("as YYYY-MM-DD")
    )  # it goes as it is typed, and is not left out
    date.fill(receipt.sample.date)
    amir.page.get_by_role("button", name="Hand in").click()
    employee = amir.page.get_by_label("Employee")
    expect(employee).to_have_accessible_description(re.compile("String should match pattern"))
    expect(employee).to_be_focused()  # where something is wrong
    amir.sees("One field is not right")
    amir.check()

    amir.page.get_by_role("tab", name="What it is").click()
    amir.page.get_by_role("tab", name="Try it").click()
    expect(employee).to_have_value("amir")  # what is begun is there again, also after a reload
    amir.page.reload()
    expect(employee).to_have_value("amir")
    expect(amir.page.get_by_role("list", name="Documents")).to_contain_text(receipt.file.name)
    employee.fill("user:amir")
    amir.press("Enter")
    amir.page.wait_for_url(re.compile(r"/tasks/task_[0-9a-f]{32}$"))
    expect(amir.page.get_by_role("heading", name="expenses")).to_be_visible()
    task = cases.task(amir.page.url.rpartition("/")[2])
    assert (task["automation"], task["submitted_by"]) == ("expenses", "user:amir")
    amir.page.go_back()
    expect(amir.page.get_by_label("Amount")).to_have_value("")  # and handed in once


def test_an_auditor_sees_an_automation_and_hands_nothing_in(person: Callable[..., Person], cases: Cases) -> None:
    cases.done()
    ana = person("ana")
    ana.go("/automations/expenses")
    expect(ana.page.get_by_role("heading", name="expenses")).to_be_visible()
    expect(ana.page.get_by_role("tab", name="Try it")).to_have_count(0)
    ana.sees("infer:read-receipt")
    ana.page.get_by_role("button", name="Card of receipt-reader").click()
    expect(ana.page.get_by_role("region", name="Model card")).to_contain_text("receipt-reader")
    expect(ana.page.get_by_role("dialog")).to_have_css("opacity", "1")
    ana.check()
    ana.press("Escape")
    ana.page.get_by_role("tab", name="Usual path").click()
    first = ana.page.get_by_role("listitem").filter(has_text="read-receipt")
    expect(first).to_contain_text(re.compile(r"in (\d+) of \1"))  # every task reads its receipt
    ana.check()


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(admin: Person, product: Product) -> None:
    admin.expected = ("422",)
    admin.go("/access")
    make = admin.page.get_by_role("button", name="Make a key")
    make.press("Enter")
    dialog = admin.page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    admin.press("Escape")
    expect(make).to_be_focused()  # where one was, also the first time, when the dialog had to be loaded
    admin.press("Enter")
    dialog.get_by_label("Name").fill("Console's key")
    dialog.get_by_role("button", name="Open the calendar").press("Enter")
    calendar = admin.page.get_by_role("dialog", name="Calendar")
    calendar.get_by_role("button", name="Next month").press("Escape")
    expect(calendar).to_have_count(0)
    expect(dialog.get_by_label("Name")).to_have_value("Console's key")  # the dialog below it stays
    dialog.get_by_label("Stands for").fill("kim")
    dialog.get_by_label("Roles").fill("author")
    admin.press("Enter")
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_label("Stands for")).to_have_accessible_description(re.compile("String should match pattern"))
    admin.check()
    dialog.get_by_label("Stands for").fill("user:kim")
    dialog.get_by_role("button", name="Make the key").click()
    key = admin.page.get_by_label("The new key").inner_text()
    assert key.startswith("il_")

    def status() -> int:
        with product.client(key) as kim:
            return kim.get("/v1/whoami").status_code

    assert status() == 200
    admin.page.get_by_role("button", name="I have it").click()
    expect(admin.page.get_by_text(key)).to_have_count(0)
    row = admin.page.get_by_role("row", name=re.compile("Console's key"))
    expect(row).to_contain_text("usable")
    row.get_by_role("button", name="What to do with").click()
    admin.page.get_by_role("menuitem", name="Revoke it").click()
    admin.page.get_by_role("button", name="Revoke the key").click()
    expect(row).to_contain_text("revoked")
    assert status() == 401


def test_a_session_that_is_ended_elsewhere_leads_to_the_sign_in(
    person: Callable[..., Person], admin: Person, cases: Cases
) -> None:
    priya = person("priya")
    priya.expected = ("401",)
    priya.go("/tasks")
    priya.page.get_by_role("heading", name="Tasks").wait_for()
    admin.go("/access?tab=sessions")
    admin.page.get_by_text("Everybody's").click()
    rows = admin.page.get_by_role("row", name=re.compile("user:priya"))
    rows.first.wait_for()
    for left in range(rows.count(), 0, -1):
        rows.first.get_by_role("button", name="What to do with").click()
        admin.page.get_by_role("menuitem", name="End it").click()
        admin.page.get_by_role("button", name="End the session").click()
        expect(rows).to_have_count(left - 1)
    # The page may have asked something by itself since, and be at the sign-in: there is nothing to click then.
    priya.page.evaluate("document.querySelector('a[href=\"/console/inbox\"]')?.click()")
    expect(priya.page.get_by_role("heading", name="Sign in to Interlock")).to_be_visible()
    priya.page.get_by_placeholder("il_…").fill(cases.keys["priya"])
    priya.press("Enter")
    expect(priya.page.get_by_role("heading", name=re.compile("^(Inbox|Tasks)$"))).to_be_visible()  # where they were


def test_a_person_is_added_signs_in_and_changes_their_password(admin: Person, person: Callable[..., Person]) -> None:
    admin.go("/access?tab=people")
    admin.page.get_by_role("button", name="Add a person").click()
    dialog = admin.page.get_by_role("dialog")
    dialog.get_by_label("ID").fill("user:lena")
    dialog.get_by_label("Name").fill("Lena")
    dialog.get_by_label("Roles").fill("reviewer")
    admin.press("Enter")
    dialog.get_by_role("textbox", name="Password").fill("walnut lantern orbit")
    dialog.get_by_role("button", name="Add the person").click()
    expect(admin.page.get_by_role("row", name=re.compile("user:lena"))).to_contain_text("reviewer")

    lena = person()
    lena.go("/")
    lena.page.get_by_text("Password").click()
    lena.page.get_by_label("User").fill("lena")
    lena.page.get_by_role("textbox", name="Password").fill("walnut lantern orbit")
    lena.press("Enter")
    expect(lena.page.get_by_role("heading", name="Home")).to_be_visible()
    lena.page.get_by_label("Signed in as user:lena").click()
    lena.page.get_by_role("menuitem", name="Profile").click()
    expect(lena.page.get_by_role("heading", name="user:lena")).to_be_visible()
    lena.page.get_by_role("button", name="Change your password").click()
    dialog = lena.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Password until now").fill("walnut lantern orbit")
    dialog.get_by_role("textbox", name="New password").fill("another lantern orbit")
    dialog.get_by_role("button", name="Change it").click()
    lena.sees("Your password is changed")

    admin.page.get_by_role("row", name=re.compile("user:lena")).get_by_role("button", name="What to do with").click()
    admin.page.get_by_role("menuitem", name="Disable").click()
    admin.page.get_by_role("button", name="Disable the account").click()
    expect(admin.page.get_by_role("row", name=re.compile("user:lena"))).to_contain_text("disabled")


def test_who_breaks_the_glass_is_seen_on_every_page_and_reaches_what_it_is_for(
    person: Callable[..., Person], product: Product
) -> None:
    with product.client() as admin:
        body = {"name": "console-ona", "user": "user:ona", "roles": ["operator"]}
        key = admin.post("/v1/keys", json=body).json()["key"]
    ona = person()
    ona.expected = ("403",)  # what is refused first, without the elevation
    ona.sign_in(key)
    ona.go("/access?tab=elevations")
    tab = ona.page.get_by_role("tab", name="Keys")
    ona.page.get_by_role("button", name="Break the glass").click()
    expect(tab).to_have_count(0)
    dialog = ona.page.get_by_role("dialog")
    dialog.get_by_label("Actions").fill("key.list")
    ona.press("Enter")
    dialog.get_by_label("Reason").fill("Whose key floods us, and nobody of the owners is in?")
    dialog.get_by_role("button", name="Break the glass").click()
    banner = ona.page.get_by_role("status").filter(has_text="You have broken the glass")
    expect(banner).to_contain_text("Whose key floods us")
    expect(dialog).to_have_count(0)
    ona.check()
    banner.get_by_role("switch", name="Use it here").press("Space")
    with ona.page.expect_request(lambda asked: "interlock-elevation" in asked.headers) as asked:
        tab.click()
    assert asked.value.url.startswith(f"{product.url}/v1/keys")
    expect(ona.page.get_by_role("row", name=re.compile("console-ona"))).to_be_visible()

    ana = person("ana")
    ana.go("/tasks")
    expect(ana.page.get_by_text("user:ona has broken the glass")).to_be_visible()
    ana.check()
    banner.get_by_role("button", name="End it").click()
    dialog.get_by_role("button", name="End it").click()
    expect(banner).to_have_count(0)
    expect(tab).to_have_count(0)
    ona.page.get_by_role("tab", name="Break-glass").click()
    expect(ona.page.get_by_role("row", name=re.compile("user:ona")).first).to_contain_text("to review")


def test_rights_are_lent_and_taken_back(person: Callable[..., Person], cases: Cases) -> None:
    mei = person("mei")
    mei.expected = ("422",)
    mei.go("/access?tab=delegations")
    mei.page.get_by_role("button", name="Lend your rights").click()
    dialog = mei.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name=re.compile("^To")).fill("user:priya")
    dialog.get_by_label("Until").fill("2090-01-14T18:00")
    dialog.get_by_role("button", name="Lend them").click()
    expect(dialog.get_by_label("Until")).to_have_accessible_description(re.compile("days"))  # too far ahead
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    dialog.get_by_label("Until").fill(f"{tomorrow:%Y-%m-%dT%H:%M}")
    dialog.get_by_role("button", name="Lend them").click()
    row = mei.page.get_by_role("row", name=re.compile("user:priya"))
    expect(row).to_contain_text("open")
    row.get_by_role("button", name="What to do with").click()
    mei.page.get_by_role("menuitem", name="Take it back").click()
    mei.page.get_by_role("button", name="Take it back").click()
    expect(row).to_contain_text("revoked")


def test_an_unknown_identity_provider_is_told_on_the_page(person: Callable[..., Person]) -> None:
    one = person()
    one.expected = ("404",)
    one.go("/sign-in")
    one.page.get_by_text("Provider").click()
    one.page.get_by_label("Identity provider").fill("nowhere")
    one.page.get_by_label("Tenant").fill("no-such-tenant")
    one.press("Enter")
    told = one.page.get_by_role("alert")
    expect(told).to_be_visible()
    first = told.inner_text()
    one.check()
    one.page.get_by_label("Tenant").fill("default")
    with one.page.expect_response("**/v1/sign-in/oidc/default/nowhere*"):
        one.press("Enter")
    expect(told).to_be_visible()
    same = re.compile(r"Correlation.*|no-such-tenant|default", re.DOTALL)
    assert same.sub("", told.inner_text()) == same.sub("", first)  # no word on which tenants there are


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_every_page_fits_and_is_accessible(
    person: Callable[..., Person], product: Product, cases: Cases, width: int, height: int, scheme: str
) -> None:
    cases.done()
    one = person(None, width, height, scheme)
    one.sign_in(product.admin_key)
    for path, heading in (
        ("/automations", "Automations"),
        ("/automations/expenses", "expenses"),
        *((f"/access?tab={tab}", "Access") for tab in TABS),
        ("/profile", "user:admin"),
    ):
        one.go(path)
        one.page.get_by_role("heading", name=heading).first.wait_for()
        one.page.wait_for_load_state("networkidle") if "automations" not in path else None
        one.check()


def test_no_page_is_offered_that_policy_keeps_from_a_person(person: Callable[..., Person], product: Product) -> None:
    amir = person("amir")
    amir.go("/access")
    amir.page.get_by_role("tab", name="Sessions").wait_for()
    shown = amir.page.get_by_role("tab").all_inner_texts()
    assert "Keys" not in shown
    assert "People and services" not in shown
    assert "Identity providers" not in shown
    assert httpx.get(f"{product.url}/v1/keys", trust_env=False).status_code == 401


def test_a_table_of_ten_thousand_tasks_scrolls_without_a_long_task(
    person: Callable[..., Person], product: Product
) -> None:
    with many_tasks(product.owner_url, "expenses"):
        ana = person("ana")
        load_all(ana.page, product.url)
        assert ana.page.locator(".task-row").count() < 200  # only what is seen stands in the page
        assert long_on_processor(ana.page, lambda: long_tasks(ana.page)) == []
        ana.page.goto("about:blank")
    # The measure finds what is long: so much work, however long it takes; several times, since the trace may begin within the first.
    work = "for (let n = 0; n < 4e6; n++) performance.now()"
    busy = f"async () => {{ for (let i = 0; i < 4; i++) {{ await new Promise(done => setTimeout(done)); {work}; }} }}"
    assert long_on_processor(ana.page, lambda: ana.page.evaluate(busy)) != []

"""What fits a phone, and what stands where nobody may look: tabs in one row, bars of a timeline, the palette, refused pages."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

COPIED = """async () => {
    for (const until = performance.now() + 20000; performance.now() < until;) {
        const text = await navigator.clipboard.readText();
        if (text) return text;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}"""
REFUSED = {
    "/audit": ("Audit log", "see the audit log"), "/privacy?subject=user:amir": ("Personal data", "see what is kept of a person"),
    "/models": ("Models", "see model versions"), "/policies?tab=change": ("Policies", "see policies"),
}  # fmt: skip


PAGES = (
    "/", "/inbox", "/tasks", "/automations", "/automations/expenses", "/access", "/profile", "/audit", "/policies?tab=change", "/privacy", "/models",
)  # fmt: skip
LOADED = (
    "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/console/'))"
    ".reduce((sum, e) => sum + e.encodedBodySize, 0)"
)


def test_no_page_is_much_to_load_when_it_is_opened_first(
    person: Callable[..., Person], product: Product, cases: Cases
) -> None:
    """Beside what the build holds to the same limit, this is what comes by itself."""
    done = cases.done()
    one = person()
    one.sign_in(product.admin_key)
    for path in (*PAGES, f"/tasks/{done['task_id']}", f"/reviews/{done['id']}"):
        one.go(path)
        one.page.get_by_role("heading", level=1).wait_for()
        one.page.wait_for_load_state("networkidle")
        assert one.page.evaluate(LOADED) < 300_000, path


def test_an_address_that_nobody_types_leads_to_a_page(person: Callable[..., Person], product: Product) -> None:
    one = person()
    one.sign_in(product.admin_key)
    for path in (
        "/tasks?find=%00",
        "/inbox?find=%01%7F&person=%00&risk=some&limit=none&state=none",
        "/audit?person=%00&kind=%1F",
        "/tasks?find=" + "x" * 3000,
    ):
        one.go(path)
        one.page.get_by_role("heading", level=1).wait_for()
        one.page.wait_for_load_state("networkidle")
        assert one.page.get_by_role("alert").count() == 0, path
    one.expected = ("400", "404")
    for path in ("/tasks/%00", "/reviews/%0A", "/nowhere/%00"):
        one.go(path)
        one.page.get_by_role("heading", level=1).wait_for()
    one.go("/tasks?find=4711")
    expect(one.page.get_by_label("Find tasks")).to_have_value(
        "4711"
    )  # not lost, though the router takes it for a number


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (320, "light")])
def test_tabs_stand_in_one_row_on_a_phone_with_the_chosen_one_in_sight(
    person: Callable[..., Person], cases: Cases, width: int, scheme: str
) -> None:
    ana = person("ana", width, 844, scheme)
    for path, chosen in (
        (f"/tasks/{cases.done()['task_id']}", "Timeline"),
        ("/access?tab=providers", "Identity providers"),
        ("/automations/expenses", "What it is"),
        ("/audit?tab=keys", "Keys"),
    ):
        ana.go(path)
        tab = ana.page.get_by_role("tab", name=chosen, exact=True)
        expect(tab).to_be_in_viewport(ratio=0.9)
        tops = ana.page.get_by_role("tab").evaluate_all("tabs => tabs.map(tab => tab.getBoundingClientRect().top)")
        assert len(set(tops)) == 1, f"the tabs of {path} wrap"
        tab.focus()
        ana.press("End")
        expect(ana.page.get_by_role("tab").last).to_be_in_viewport(ratio=0.9)
        ana.check()


def test_a_phone_shows_when_each_effect_of_a_task_was(person: Callable[..., Person], cases: Cases) -> None:
    ana = person("ana", 390, 844)
    ana.go(f"/tasks/{cases.done()['task_id']}")
    bars = ana.page.locator(".gantt-bar")
    expect(bars.first).to_be_visible()
    boxes = bars.evaluate_all(
        "bars => bars.map(bar => [bar, bar.parentElement].map(one => one.getBoundingClientRect()))"
    )
    for box, track in boxes:
        assert track["width"] > 250
        assert box["right"] <= track["right"] + 1  # the last ones too are inside of it


def test_who_may_not_use_a_page_sees_why_and_nothing_to_fill_in(person: Callable[..., Person], cases: Cases) -> None:
    mei = person("mei")
    mei.expected = ("403",)
    for path, (title, right) in REFUSED.items():
        mei.go(path)
        told = mei.page.get_by_role("alert")
        expect(told).to_contain_text(f"Policy default-deny: The permission to {right} is missing here.")
        main = mei.page.get_by_role("main")
        expect(main.get_by_role("heading", name=title)).to_be_visible()
        for role in ("textbox", "tab", "link"):
            expect(main.get_by_role(role)).to_have_count(0)
        mei.check()


def test_the_palette_has_a_name_and_leads_on_where_no_page_is_called_so(person: Callable[..., Person]) -> None:
    for scheme in ("light", "dark"):
        mei = person("mei", 1440, 900, scheme)
        mei.press("Control+k")
        palette = mei.page.get_by_role("dialog", name="Command palette")
        palette.get_by_role("textbox").fill("zzqqy")
        expect(palette.get_by_text("Find tasks: zzqqy")).to_be_visible()
        mei.check()
    mei.press("Enter")
    mei.sees("No task has all of this.")
    find = mei.page.get_by_label("Find tasks")
    find.fill("zzqqz")
    mei.press("Control+k")  # also while one types
    expect(palette.get_by_role("textbox")).to_be_focused()
    mei.press("Escape")
    expect(find).to_be_focused()


def test_every_page_of_a_long_document_is_reached(
    person: Callable[..., Person], cases: Cases, product: Product
) -> None:
    done = cases.done()
    sheets = [Image.new("RGB", (300, 400), "white") for _ in range(20)]
    data = io.BytesIO()
    sheets[0].save(data, "PDF", save_all=True, append_images=sheets[1:])
    with product.client() as admin:
        stored = admin.post("/v1/documents", files={"file": ("long.pdf", data.getvalue())}).json()["id"]

    def longer(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["request"]["documents"] = [stored]
        body["request"]["evidence"] = {}  # with boxes, whose page would be gone to
        route.fulfill(response=answer, json=body)

    for width in (1440, 390, 320):
        one = person(None, width, 844)
        one.sign_in(product.admin_key)
        one.page.route(f"**/v1/reviews/{done['id']}", longer)
        one.go(f"/reviews/{done['id']}")
        pages = one.page.get_by_role("group", name="Pages")
        expect(pages.get_by_label("Page", exact=True)).to_be_in_viewport(ratio=1)
        pages.get_by_role("button", name="Next page").click()
        expect(one.page.get_by_role("img", name="Page 2")).to_be_visible()
        pages.get_by_label("Page", exact=True).select_option("Page 20 of 20")
        expect(one.page.get_by_role("img", name="Page 20")).to_be_visible()
        expect(pages.get_by_role("button", name="Next page")).to_be_disabled()
        one.check()


def test_after_signing_in_the_way_back_does_not_lead_to_the_sign_in(
    person: Callable[..., Person], cases: Cases
) -> None:
    one = person()
    one.page.goto("about:blank")
    one.go("/audit?kind=effect")
    one.page.get_by_placeholder("il_…").fill(cases.keys["ana"])
    one.press("Enter")
    one.page.wait_for_url("**/audit?kind=effect")
    one.page.get_by_role("link", name="Tasks").click()
    one.page.wait_for_url("**/tasks")
    one.page.go_back()
    one.page.wait_for_url("**/audit?kind=effect")
    one.page.go_back()
    expect(one.page.get_by_placeholder("il_…")).to_have_count(0)


def test_nothing_moves_by_itself_where_stillness_is_asked_for(person: Callable[..., Person], cases: Cases) -> None:
    one = person("ana")
    one.page.emulate_media(reduced_motion="reduce")
    moving = (
        "() => [...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e); return s.animationName !== 'none'"
        " || s.transitionDuration.split(',').some(d => parseFloat(d) > 0); }).map(e => e.className)"
    )
    for path in ("/inbox", "/tasks", f"/tasks/{cases.done()['task_id']}"):
        one.go(path)
        one.page.get_by_role("heading", level=1).wait_for()
        assert one.page.evaluate(moving) == []


def test_what_is_copied_runs(person: Callable[..., Person], cases: Cases) -> None:
    ana = person("ana")
    ana.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ana.go(f"/tasks/{cases.done()['task_id']}")
    ana.page.get_by_role("button", name="Take along").click()
    environ = {**os.environ, "INTERLOCK_API_KEY": cases.keys["ana"], "NO_PROXY": "*", "no_proxy": "*"}
    for name, command in (("curl", ["bash", "-c"]), ("Python", [sys.executable, "-c"])):
        ana.page.evaluate("navigator.clipboard.writeText('')")  # the one before may still say that it is copied
        ana.page.get_by_role("menuitem", name=f"Copy as {name}").click()
        ana.page.get_by_role("menuitem", name="Copied").first.wait_for()
        copied = ana.page.evaluate(COPIED)
        if name == "curl" and shutil.which("curl") is None:
            continue
        ran = subprocess.run([*command, copied], env=environ, capture_output=True, text=True, timeout=60, check=True)
        assert "succeeded" in ran.stdout or '"effects"' in ran.stdout
    with ana.page.expect_download() as waiting:
        ana.page.get_by_role("menuitem", name="Download as JSON").click()
    assert set(json.loads(waiting.value.path().read_text())) == {"task", "timeline"}


@pytest.mark.parametrize("width", [1440, 390])
def test_what_was_not_loaded_yet_comes_when_the_network_is_back_and_the_page_stays(
    person: Callable[..., Person], cases: Cases, width: int
) -> None:
    review = cases.waiting()
    mei = person("mei", width, 844)
    mei.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED")
    mei.go(f"/reviews/{review['id']}")
    approve = mei.page.get_by_role("button", name="Approve")
    expect(approve).to_be_enabled()
    mei.page.context.set_offline(True)
    mei.press("g")  # its dialog is no part of the page
    told = mei.page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(told).to_be_visible()
    expect(mei.page.get_by_role("heading", level=1)).to_have_text(review["request"]["title"])
    box, under = told.bounding_box(), approve.bounding_box()
    assert box is not None
    assert under is not None
    assert box["y"] + box["height"] <= under["y"] or box["x"] + box["width"] <= under["x"], "it covers the answers"
    mei.page.context.set_offline(False)
    dialog = mei.page.get_by_role("dialog", name="Give it to somebody")
    expect(dialog).to_be_visible()
    expect(told).to_have_count(0)
    mei.press("Escape", "Escape")  # the list of people, and the dialog
    expect(dialog).to_have_count(0)

    mei.page.route(
        "**/assets/Automations-*", lambda route: route.abort()
    )  # so is a page, and a server that is not there
    mei.page.route("**/console/icon.svg", lambda route: route.abort())
    mei.page.evaluate("document.querySelector('a[href=\"/console/automations\"]').click()")
    expect(told).to_be_visible()
    mei.page.unroute("**/assets/Automations-*")
    mei.page.unroute("**/console/icon.svg")
    expect(mei.page.get_by_role("heading", name="Automations")).to_be_visible()

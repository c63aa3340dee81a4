"""The console's pages for governance in a real browser: what an auditor, an owner and a privacy officer see and do there."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]

SIZES = [(1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark")]


def _png() -> bytes:
    found = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(found, "PNG")
    return found.getvalue()


PNG = _png()


@pytest.fixture(scope="module")
def owners(product: Product) -> dict[str, str]:
    """Keys of two owners: what one proposes the other approves."""
    with product.client() as admin:
        return {
            name: admin.post(
                "/v1/keys", json={"name": f"console-{name}", "user": f"user:{name}", "roles": roles}
            ).json()["key"]
            for name, roles in {"olga": ["owner"], "oskar": ["owner"], "pia": ["privacy"]}.items()
        }


@pytest.fixture
def shipped_policies(product: Product) -> Iterator[None]:
    """Leave the shipped policies in force and nothing proposed, whatever the test did."""
    yield
    with product.client() as admin:
        for change in admin.get("/v1/policies/changes").json()["items"]:
            if change["state"] == "proposed":
                admin.post(
                    f"/v1/policies/changes/{change['number']}:reject", json={"reason": "The test is over."}
                ).raise_for_status()
        if admin.get("/v1/policies").json()["active"]:
            admin.post("/v1/policies:rollback", json={"to": 0}).raise_for_status()


def test_a_record_is_opened_and_its_path_to_the_signed_root_is_verified_here(
    person: Callable[..., Person], cases: Cases
) -> None:
    (review,) = cases.open(1)
    mei = person("mei")
    mei.go(f"/reviews/{review['id']}")
    fields = list(cases.review(review["id"])["request"]["form"]["properties"])
    expect(mei.page.get_by_role("button", name="Approve")).to_be_enabled()
    mei.press(str(fields.index("merchant") + 1), "e")
    mei.page.get_by_role("textbox", name="Merchant").fill("Kedai Audited")
    mei.press("Control+Enter")
    mei.sees("Approved with changes:")
    cases.ended(review["task_id"])
    cases.on_record(task_id=review["task_id"], kind="review.answered")

    ana = person("ana")
    ana.page.get_by_role("link", name="Audit log").click()
    ana.page.get_by_label("Task", exact=True).fill(review["task_id"])
    ana.page.get_by_role("combobox", name="Kind").fill("review.answered")
    ana.press("Enter")
    ana.page.wait_for_url(f"**/audit?task={review['task_id']}&kind=review.answered")
    row = ana.page.get_by_role("button", name=re.compile("review.answered"))
    expect(row).to_have_count(1)
    expect(row).to_contain_text("by user:mei")
    expect(row).to_contain_text("for user:amir")  # for whom it was, across asynchronous work
    row.click()
    expect(row.get_by_text("verified", exact=True)).to_be_visible()
    expect(ana.page.get_by_role("img", name=re.compile("leads over .* to the signed root"))).to_be_visible()
    expect(ana.page.get_by_role("table", name="What the answer changed")).to_contain_text("Kedai Audited")
    ana.check()

    def tampered(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["items"][0]["leaf"] = body["items"][0]["leaf"].replace('"verdict":"amend"', '"verdict":"reject"')
        assert "reject" in body["items"][0]["leaf"]
        route.fulfill(response=answer, json=body)

    ana.page.route("**/v1/audit/records*", tampered)
    ana.page.reload()
    row.click()
    expect(row.get_by_text("does not hold")).to_be_visible()
    expect(ana.page.get_by_role("img", name=re.compile("to the signed root"))).to_have_count(0)


def test_the_log_opens_with_what_happened_last_and_can_be_turned_round(
    person: Callable[..., Person], cases: Cases
) -> None:
    done = cases.done()
    ana = person("ana")
    ana.go(f"/audit?task={done['task_id']}")
    rows = ana.page.get_by_role("button", name=re.compile(r"^#\d+"))
    expect(rows.first).to_contain_text("task.succeeded")
    ana.page.get_by_text("Oldest first").click()
    expect(rows.first).to_contain_text("task.accepted")
    ana.page.reload()  # the order stands in the address
    expect(rows.first).to_contain_text("task.accepted")
    ana.check()
    ana.go("/audit")
    expect(rows).to_have_count(25)
    first = rows.all_inner_texts()
    ana.page.get_by_role("button", name="More records").click()
    expect(rows).not_to_have_count(25)
    at = [int(text.removeprefix("#").split()[0]) for text in rows.all_inner_texts()]
    assert at == sorted(at, reverse=True)
    assert len(set(at)) == len(at) > len(first)


def test_a_checkpoint_continues_an_older_one_and_a_forged_past_is_found(
    person: Callable[..., Person], cases: Cases
) -> None:
    cases.done()
    ana = person("ana")
    ana.go("/audit?tab=checkpoints")
    rows = ana.page.get_by_role("table", name="Checkpoints").get_by_role("row")
    expect(rows.nth(2).get_by_text("verified")).to_be_visible()
    sizes = [int(rows.nth(at).get_by_role("cell").first.inner_text()) for at in (2, 1)]
    form = ana.page.get_by_role("form", name="Compare two checkpoints")
    form.get_by_label("From size").fill(str(sizes[0]))
    form.get_by_label("To size").fill(str(sizes[1]))
    form.get_by_role("button", name=re.compile("Verify")).click()
    ana.sees(f"The first {sizes[0]} of {sizes[1]} records are the same as they were.")

    def forged(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        name, size, _, *rest = body["old"]["note"].split("\n")
        body["old"]["note"] = "\n".join([name, size, "A" * 43 + "=", *rest])
        route.fulfill(response=answer, json=body)

    ana.page.route("**/v1/audit/proofs*", forged)
    form.get_by_role("button", name=re.compile("Verify")).click()
    expect(ana.page.get_by_role("status").filter(has_text="It does not hold")).to_be_visible()
    ana.check()


def test_a_change_of_roles_shows_each_value_before_and_after(
    person: Callable[..., Person], cases: Cases, product: Product
) -> None:
    with product.client() as admin:
        made = {"id": "user:vera", "name": "Vera", "roles": ["reviewer"], "approval_limit": 500}
        admin.post("/v1/users", json=made).raise_for_status()
        changed = {"roles": ["reviewer", "manager"], "approval_limit": 1500}
        admin.post("/v1/users/user:vera:roles", json=changed).raise_for_status()
    cases.on_record(kind="account.changed")
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.go("/audit?kind=account.changed")
        row = ana.page.get_by_role("button", name=re.compile("account.changed")).first
        expect(row).to_contain_text("by user:admin")  # as the key that the leaf names says
        row.click()
        table = ana.page.get_by_role("table", name="What it changed")
        expect(table.get_by_role("row", name="approval limit 500 1500")).to_be_visible()
        expect(table.get_by_role("row", name="roles reviewer manager, reviewer")).to_be_visible()
        expect(ana.page.get_by_text("About user:vera")).to_be_visible()
        ana.sees("leads to the root")
        ana.check()


def test_an_evidence_pack_has_what_the_filters_show(
    person: Callable[..., Person], cases: Cases, tmp_path: Path
) -> None:
    done = cases.done()
    ana = person("ana")
    ana.go(f"/audit?task={done['task_id']}")
    ana.sees("task.accepted")
    with ana.page.expect_download() as waiting:
        ana.page.get_by_role("link", name="Evidence pack of these records").click()
    pack = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(pack)
    assert zipfile.is_zipfile(pack)
    with zipfile.ZipFile(pack) as opened:
        said = b"".join(opened.read(name) for name in opened.namelist() if name.endswith((".json", ".jsonl")))
    assert done["task_id"].encode() in said


def test_a_change_of_policies_shows_what_it_changes_first_and_another_owner_approves_it(
    person: Callable[..., Person],
    cases: Cases,
    owners: dict[str, str],
    product: Product,
    shipped_policies: None,
) -> None:
    cases.done()
    olga, oskar = person(), person()
    olga.sign_in(owners["olga"])
    olga.expected = ("403", "422")
    olga.go("/policies?tab=change")
    own = olga.page.get_by_role("textbox", name="own.cedar")
    own.fill('@id("no-postings")\n@reason("Nothing is posted while the books are closed.")\nforbid (principal, action')
    olga.page.get_by_role("button", name="Check").click()
    expect(olga.page.get_by_role("alert").filter(has_text="own.cedar")).to_be_visible()  # a wrong set names its file
    own.fill(FREEZE)
    expect(olga.page.get_by_role("button", name="Propose")).to_be_disabled()
    olga.page.get_by_role("button", name="Check").click()
    olga.sees("It compiles, and its cases hold: 1")
    olga.page.get_by_role("button", name="What would it change?").click()
    found = olga.page.get_by_role("region", name="What it would change")
    expect(found.get_by_text("Smallest counterexamples")).to_be_visible(timeout=30_000)
    expect(
        found.get_by_text("Recorded decisions", exact=True)
    ).to_be_visible()  # such as the posting of the case that is done
    expect(found.get_by_text("no-postings", exact=True).first).to_be_visible()
    expect(found.get_by_text("task.submit").first).to_be_visible()
    expect(found.get_by_text("freeze", exact=True).first).to_be_visible()
    expect(found.get_by_text(re.compile(r"^Proved: for [1-9]\d+ of \d+ kinds"))).to_be_visible()
    olga.check()
    olga.page.get_by_label("Why").fill("The books are closed")
    olga.page.get_by_role("button", name="Propose").click()
    expect(olga.page.get_by_role("button", name="Approve")).to_be_visible()
    olga.sees("The books are closed")
    assert product_state(product) == 0  # nothing is in force yet

    olga.page.get_by_role("button", name="Approve").click()
    expect(olga.page.get_by_role("alert").filter(has_text="four-eyes-policy")).to_be_visible()
    assert product_state(product) == 0

    oskar.sign_in(owners["oskar"])
    oskar.page.get_by_role("link", name="Policies").click()
    oskar.page.get_by_role("button", name="What would this set change?").click()
    expect(oskar.page.get_by_text("Smallest counterexamples")).to_be_visible(timeout=30_000)
    oskar.page.get_by_role("button", name="Approve").click()
    oskar.sees("It is in force")
    assert product_state(product) > 0
    oskar.page.get_by_role("tab", name="History").click()
    oskar.page.get_by_role("button", name="Roll back", exact=True).click()
    oskar.page.get_by_role("button", name="Roll back now").click()
    oskar.sees("Rolled back")
    assert product_state(product) == 0


def test_a_model_version_says_where_it_comes_from_and_its_signature_is_verified_here(
    person: Callable[..., Person], owners: dict[str, str], tmp_path: Path
) -> None:
    olga = person()
    olga.sign_in(owners["olga"])
    olga.page.get_by_role("link", name="Models").click()
    row = olga.page.get_by_role("button", name=re.compile("receipt-reader"))
    row.first.click()
    olga.sees("Its signature is verified")
    olga.sees("The Interlock authors")
    expect(olga.page.get_by_role("button", name="Retire")).to_be_visible()
    olga.check()
    for link, holds in (("ML-BOM", '"CycloneDX"'), ("Model card", "# receipt-reader")):
        with olga.page.expect_download() as waiting:
            olga.page.get_by_text(link, exact=True).click()
        waiting.value.save_as(tmp_path / link)
        assert holds in (tmp_path / link).read_text()

    def tampered(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["files"]["predictor.py"] = "00" * 32
        route.fulfill(response=answer, json=body)

    olga.page.route("**/v1/models/versions/1", tampered)
    olga.page.reload()
    row.first.click()
    olga.sees("Its signature does not hold")


def test_a_value_is_traced_from_its_document_to_what_came_of_it(person: Callable[..., Person], cases: Cases) -> None:
    done = cases.done()
    ana = person("ana")
    ana.go(f"/tasks/{done['task_id']}")
    ana.page.get_by_role("tab", name="Lineage").click()
    total = ana.page.get_by_role("listitem").filter(has=ana.page.get_by_text("/total", exact=True)).first
    expect(total.get_by_role("img", name=re.compile("stands on page 1"))).to_be_visible()
    expect(total).to_contain_text("expense-answer-stands")
    expect(total).to_contain_text("post-to-ledger")
    ana.check()


def test_what_is_kept_of_a_person_is_shown_and_they_are_erased_only_by_their_typed_name(
    person: Callable[..., Person], owners: dict[str, str], product: Product
) -> None:
    with product.client() as admin:
        key = admin.post("/v1/keys", json={"name": "console-nils", "user": "user:nils", "roles": ["author"]}).json()
        with product.client(key["key"]) as nils:
            stored = nils.post("/v1/documents", files={"file": ("own.png", PNG)})
            assert stored.status_code == 201, stored.text
    pia = person()
    pia.expected = ("409",)
    pia.sign_in(owners["pia"])
    pia.page.get_by_role("link", name="Personal data").click()
    pia.page.get_by_label("Person").fill("user:nils")
    pia.press("Enter")
    pia.sees("own.png")
    pia.page.get_by_role("button", name="Erase").click()
    erase = pia.page.get_by_role("button", name="Erase for good")
    typed = pia.page.get_by_label("Type user:nils to confirm")
    typed.fill("user:nil")
    expect(erase).to_be_disabled()
    pia.check()
    typed.fill("user:nils")
    erase.click()
    pia.sees("This person still holds an API key.")
    with product.client() as admin:
        admin.delete(f"/v1/keys/{key['id']}").raise_for_status()
    erase.click()
    expect(pia.page.get_by_role("table", name="Erasures")).to_contain_text("user:nils")
    with product.client() as admin:
        (erasure,) = admin.get("/v1/privacy/subjects/user:nils").json()["erasures"]
    assert erasure["requested_by"] == "user:pia"


FREEZE = """@id("freeze")
@reason("Nothing is submitted while the books are closed.")
forbid (principal is User, action == Action::"task.submit", resource)
when { principal.roles.contains("author") };

@id("no-postings")
@reason("Nothing is posted while the books are closed.")
forbid (principal is Service, action == Action::"effect.step", resource)
when { context.effect like "step:post*" };
"""


def product_state(product: Product) -> int:
    with product.client() as admin:
        active: int = admin.get("/v1/policies").json()["active"]
    return active


@pytest.mark.parametrize(("width", "height", "scheme"), SIZES)
def test_the_pages_for_governance_fit_and_read_at_every_size(
    person: Callable[..., Person], cases: Cases, owners: dict[str, str], width: int, height: int, scheme: str
) -> None:
    cases.done()
    olga = person(None, width, height, scheme)
    olga.sign_in(owners["olga"])
    for path, shows in PAGES.items():
        olga.go(path)
        olga.sees(shows)
        olga.check()


PAGES = {
    "/audit": "Verify all that are shown",
    "/audit?tab=checkpoints": "verified",
    "/audit?tab=keys": "signs from",
    "/policies": "four-eyes-policy",
    "/policies?tab=change": "First see what it would change",
    "/policies?tab=history": "In force",
    "/policies?tab=shadow": "No set looks on now.",
    "/models": "receipt-reader",
    "/privacy": "Erasures",
    "/privacy?subject=user:amir": "Tasks about them",
}

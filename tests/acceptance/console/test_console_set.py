"""What owners set in the console: the tenant's webhook, identity providers, and a model's version on record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect
from tests.acceptance.console.browser import Person
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product
from tests.chaos.callbacks import Receiver, receiver

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("console")]
SIZES = ((1440, 900, "light"), (1440, 900, "dark"), (390, 844, "light"), (390, 844, "dark"))


@pytest.fixture
def callbacks() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(scope="module")
def owner(product: Product) -> str:
    """A key of an owner who is nobody else."""
    with product.client() as admin:
        body = {"name": "console-setter", "user": "user:ines", "roles": ["owner"]}
        key: str = admin.post("/v1/keys", json=body).json()["key"]
    return key


def test_a_webhook_is_set_told_and_removed_by_whoever_policy_lets(
    person: Callable[..., Person], cases: Cases, product: Product, owner: str, callbacks: Receiver
) -> None:
    ines = person()
    ines.sign_in(owner)
    ines.expected = ("422",)
    ines.go("/access?tab=webhook")
    ines.sees("Nobody is called.")
    ines.check()
    ines.page.get_by_role("button", name="Set the webhook").click()
    address = ines.page.get_by_role("dialog").get_by_label("Address")
    address.fill("http://169.254.169.254/latest")
    ines.press("Enter")
    ines.sees("may not be called")
    ines.check()
    address.fill(callbacks.url)
    ines.press("Enter")
    main = ines.page.get_by_role("main")
    expect(main.get_by_text(callbacks.url).first).to_be_visible()
    ines.page.get_by_role("button", name="Set another address").click()
    address.fill(f"{callbacks.url}?other")
    ines.press("Enter")  # the address before is told
    calls = ines.page.get_by_role("table", name="Last calls")
    expect(calls.get_by_role("row").filter(has_text="it answered 2")).not_to_have_count(0, timeout=30_000)
    assert "whsec_" not in ines.page.content()
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.go("/access?tab=webhook")
        expect(ana.page.get_by_text("Last calls")).to_be_visible()
        expect(ana.page.get_by_role("button", name="Set another address")).to_have_count(0)  # an auditor looks
        ana.check()
    amir = person("amir")
    amir.go("/access")
    amir.page.get_by_role("tab", name="Sessions").wait_for()
    expect(amir.page.get_by_role("tab", name="Webhook")).to_have_count(0)

    ines.page.get_by_role("button", name="Remove it").click()
    ines.page.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    ines.sees("Nobody is called.")
    with product.client(owner) as http:
        assert http.get("/v1/webhook").status_code == 404


def test_an_identity_provider_is_set_changed_and_removed_and_its_secret_never_shown(
    person: Callable[..., Person], product: Product, owner: str
) -> None:
    ines = person()
    ines.sign_in(owner)
    ines.expected = ("422",)
    ines.go("/access?tab=providers")
    ines.page.get_by_role("button", name="Set a provider").click()
    dialog = ines.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Set it").click()
    ines.sees("is missing")
    dialog.get_by_label("Name").fill("company")
    dialog.get_by_label("Issuer").fill("http://login.example.com")
    dialog.get_by_role("textbox", name="Client", exact=False).first.fill("interlock")
    dialog.get_by_label("Client's secret").first.fill("s3cret-of-company")
    groups = dialog.get_by_role("textbox", name=re.compile("^Groups"))
    groups.fill("finance [0a1b]: reviewer, manager, limit 2000\nnobody")
    ines.check()
    dialog.get_by_role("button", name="Set it").click()
    ines.sees("no role is named for “nobody”")
    groups.fill("finance [0a1b]: reviewer, manager, limit 2000")
    dialog.get_by_role("button", name="Set it").click()
    ines.sees("not an https:// URL")
    dialog.get_by_label("Issuer").fill("https://login.example.com")
    dialog.get_by_role("button", name="Set it").click()
    expect(ines.page.get_by_role("heading", name="company")).to_be_visible()
    ines.sees("kept, and not shown")
    with product.client(owner) as http:
        before = http.get("/v1/identity-providers/company").json()
    assert before["groups"] == [
        {"display": "finance", "value": "0a1b", "roles": ["reviewer", "manager"], "approval_limit": "2000"}
    ]

    ines.page.get_by_role("button", name="What to do with company").click()
    ines.page.get_by_role("menuitem", name="Change it").click()
    expect(dialog.get_by_label("Client's secret").first).to_have_value("")
    groups.fill(f"{groups.input_value()}\nIT: operator")
    dialog.get_by_role("button", name="Change it").click()
    expect(dialog).to_have_count(0)  # what was typed there is not yet what is set
    ines.sees("IT: operator")
    with product.client(owner) as http:
        after = http.get("/v1/identity-providers/company").json()
    moved = {"groups", "set_at"}
    assert {k: v for k, v in after.items() if k not in moved} == {k: v for k, v in before.items() if k not in moved}
    assert after["has_secret"]
    assert "s3cret-of-company" not in ines.page.content() + json.dumps(after)
    for width, height, scheme in SIZES:
        ana = person("ana", width, height, scheme)
        ana.go("/access?tab=providers")
        ana.sees("IT: operator")
        expect(ana.page.get_by_role("button", name="Set a provider")).to_have_count(0)
        ana.check()

    ines.page.get_by_role("button", name="What to do with company").click()
    ines.page.get_by_role("menuitem", name="Change it").click()
    dialog.get_by_role("textbox", name="Client's secret").fill("another-secret")
    dialog.get_by_role("combobox", name="Take the kept secret away").click()
    ines.page.get_by_role("option", name="Yes").click()
    dialog.get_by_role("button", name="Change it").click()
    ines.sees("leave one of both out")
    dialog.get_by_role("textbox", name="Client's secret").fill("")
    ines.check()
    dialog.get_by_role("button", name="Change it").click()
    expect(dialog).to_have_count(0)
    with product.client(owner) as http:
        assert http.get("/v1/identity-providers/company").json() | {"set_at": ""} == after | {
            "has_secret": False,
            "set_at": "",
        }

    ines.page.get_by_role("button", name="What to do with company").click()
    ines.page.get_by_role("menuitem", name="Remove it").click()
    ines.page.get_by_role("dialog").get_by_role("button", name="Remove it").click()
    ines.sees("Nobody signs in by an identity provider yet.")


def test_a_model_version_is_registered_by_whoever_policy_lets(
    person: Callable[..., Person], cases: Cases, owner: str
) -> None:
    for width, height, scheme in SIZES:
        amir = person("amir", width, height, scheme)  # an author registers what is deployed
        amir.go("/models")
        amir.page.get_by_role("button", name="Register a version").click()
        dialog = amir.page.get_by_role("dialog")
        expect(dialog.get_by_role("combobox", name="Model")).to_have_value("expenses / receipt-reader")
        dialog.get_by_label("Why").fill("It is what runs here")
        amir.check()
        dialog.get_by_role("button", name="Register it").click()
        expect(dialog).to_have_count(0)
        expect(amir.page.get_by_role("alert").filter(has_text="released")).to_be_visible()  # it was on record already
    ana = person("ana")
    ana.go("/models")
    ana.sees("receipt-reader")
    expect(ana.page.get_by_role("button", name="Register a version")).to_have_count(0)

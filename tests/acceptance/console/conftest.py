"""The console's own product, so that what its people do disturbs no other test; a browser, and people before it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.acceptance.console.browser import Person, require_chromium, running_browser
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product, running
from tests.folders import make_reachable_folder

ROOT = Path(__file__).parents[3]
expect.set_options(timeout=20_000)  # a machine that is busy elsewhere paints late
OWN = Path(__file__).parent / "automations"


def both(folder: Path) -> Path:
    """Copy the product's automations and the one that talks into a folder."""
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for source in (ROOT / "automations" / "expenses", OWN / "talk"):
        shutil.copytree(source, folder / source.name, ignore=skip)
    return folder


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The whole product, running, as the README starts it; beside its automations one whose step talks a lot."""
    require_chromium()
    with (
        make_reachable_folder() as folder,
        running(
            automations_dir=str(both(folder)), outgoing_allow="127.0.0.1", callback_backoff_initial_s="0.2"
        ) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. For a module only: while it runs, Playwright's event loop does, and no asynchronous test can."""
    with running_browser() as found:
        yield found


@pytest.fixture(scope="session")
def cases(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """What managers are asked about, and the keys of those who are there."""
    found = Cases(product, tmp_path_factory.mktemp("console-receipts"))
    yield found
    found.close()


@pytest.fixture
def person(browser: Browser, product: Product, cases: Cases) -> Iterator[Callable[..., Person]]:
    """Sign somebody in, in a profile of their own."""
    people: list[Person] = []

    def sign_in(name: str | None = None, width: int = 1440, height: int = 900, scheme: Any = "light") -> Person:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        one = Person(context.new_page(), product.url)
        people.append(one)
        if name is not None:
            one.sign_in(cases.keys[name])
        return one

    yield sign_in
    for one in people:
        if not one.page.is_closed():
            one.page.unroute_all(behavior="wait")  # an answer that is being changed would be changed for nobody
        one.page.context.close()
    for one in people:
        assert one.complaints == []

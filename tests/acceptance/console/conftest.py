"""The console's own product, so that what its people do disturbs no other test; a browser, and people before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.acceptance.console.browser import Person, require_chromium, running_browser
from tests.acceptance.console.cases import Cases
from tests.acceptance.product import Product, running


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The whole product, running, as the README starts it."""
    require_chromium()
    with running() as started:
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
        one.page.context.close()
    for one in people:
        assert one.complaints == []

"""Debian's Chromium as a person uses it, with a fresh profile each; what the page complains of fails the test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
AXE = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"
ANSWERED = re.compile(r"/v1/reviews/[^/]+:(approve|reject|amend)$")
HOLD_S = 30  # the longest that the product takes
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def chromium() -> str | None:
    """Give the path of a Chromium, None where there is none."""
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


def require_chromium() -> str:
    """Give the path of a Chromium; skips loudly where there is none."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: `make browser` installs Debian's, as root")
    return path


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a Chromium; skips loudly where there is none."""
    path = require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody before a page of the console."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.expected):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.complaints.append(f"asked outside: {request.url}")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}/console{path}")

    def sign_in(self, key: str) -> None:
        self.go("/")
        self.page.get_by_placeholder("il_…").fill(key)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("heading", name="Home").wait_for()

    def sees(self, text: str | re.Pattern[str]) -> None:
        self.page.get_by_text(text).first.wait_for()

    def hears_nothing(self) -> None:
        """Keep live updates from the pages that are opened from now on."""
        self.expected += ("net::ERR_FAILED",)
        self.page.route("**/v1/events*", lambda route: route.abort())

    def goes_offline(self) -> None:
        """Take the network away; ends when the page has heard of it: before, it would try."""
        heard = "window.heard = new Promise(done => addEventListener('offline', done, {once: true})); null"
        self.page.evaluate(heard)
        self.page.context.set_offline(True)
        self.page.evaluate("window.heard.then(() => null)")

    def holds_long(self) -> None:
        """Hold what is answered from now on longer than the console asks for: a machine that is busy elsewhere needs more to take it back."""

        def longer(route: Route) -> None:
            body: dict[str, Any] = route.request.post_data_json or {}
            route.continue_(post_data=body | {"hold_s": HOLD_S})

        self.page.route(ANSWERED, longer)

    def takes_back(self, title: str) -> None:
        """Press `u`; ends when the review that was answered is open again, and before them."""
        self.press("u")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)
        expect(self.page.get_by_role("button", name="Approve")).to_be_enabled()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def check(self) -> None:
        """Let axe look at the page as it is, and see that it fits the screen."""
        self.page.evaluate(AXE.read_text())  # by the debugger, which no content policy holds
        found: list[dict[str, Any]] = self.page.evaluate(
            "tags => axe.run(document, {runOnly: tags}).then(result => result.violations)", TAGS
        )
        told = [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary'][:300]}" for one in found
        ]
        assert not told, "\n".join([self.page.url, *told])
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{self.page.url} is {wide} px too wide"

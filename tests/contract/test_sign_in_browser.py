"""Signing in by an identity provider in a real browser, which alone decides when it sends a Strict cookie after another site led back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import async_playwright
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import listening, prepare, running_api
from tests.contract.test_api_sign_in import put, real_provider, there_is

from interlock.infra.embedded_postgres import EmbeddedPostgres

__all__ = ["real_provider"]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [*MARKS, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]


async def test_a_browser_comes_back_signed_in(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path: Path, real_provider: str
) -> None:
    await there_is(real_provider, "mei", groups=["finance"])
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with (
        running_api(tmp_path, urls, worker=False, outgoing_allow=("127.0.0.1",)) as api,
        listening(api) as url,
        async_playwright() as playwright,
    ):
        await put(api, "real", real_provider)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        # The provider is at 127.0.0.1, so localhost is another site to it.
        home = url.replace("127.0.0.1", "localhost")
        await page.goto(f"{home}/v1/sign-in/oidc/default/real?return_to=/v1/sessions/current")
        assert page.url.startswith(real_provider)
        await page.fill("input[name=sub]", "mei")
        await page.click("button")
        await page.wait_for_url(f"{home}/v1/sessions/current")
        current = json.loads(await page.inner_text("body"))
        assert (current["user"], current["method"], current["roles"]) == ("user:real.mei", "oidc", ["reviewer"])
        cookies = {str(cookie["name"]): cookie for cookie in await page.context.cookies()}
        assert list(cookies) == ["interlock"]
        assert (cookies["interlock"]["sameSite"], cookies["interlock"]["httpOnly"]) == ("Strict", True)
        await browser.close()

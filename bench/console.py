"""The console as a person feels it: from key press to the next review painted, the first page, and a table of 10,000 tasks.

    python -m bench.console [--reviews 40] [--json]

In Debian's Chromium, headless, against `interlock up` on this machine. Measured by the browser's own clocks:

- **answer**: from the key down of `a` to the paint after which the next review's title and its fields stand there (two animation frames
  after the change), for each of the reviews but the first, whose page was opened cold. Aim: p95 ≤ 200 ms.
- **first page**: largest contentful paint of the inbox in a fresh profile, signed in before. Aim: ≤ 1.5 s. And what the first page loads, as it comes
  over the wire (gzip). Aim: ≤ 300 kB.
- **10,000 tasks**: all of them loaded, then scrolled from end to end in 200 steps, one a frame; tasks of the browser's main thread over 50 ms, by its
  own observer. Aim: none.

Aims fail nothing: they are figures of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import httpx
from bench import product
from bench.machine import line
from bench.product import Product
from playwright.sync_api import Browser, Page, sync_playwright
from tests.acceptance.console import long_table
from tests.acceptance.console.browser import FLAGS, chromium

from interlock.infra.embedded_postgres import EmbeddedPostgres

PAINTED = """async (title) => {
    const began = performance.now();
    const shown = () => document.querySelector('h1')?.textContent === title && document.querySelector('li.row-link') !== null;
    await new Promise((resolve) => {
        const look = () => shown() ? requestAnimationFrame(() => requestAnimationFrame(resolve)) : requestAnimationFrame(look);
        document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', code: 'KeyA', bubbles: true}));
        look();
    });
    return performance.now() - began;
}"""
LCP = """() => new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
    .observe({type: 'largest-contentful-paint', buffered: true}))"""
WIRE = "() => performance.getEntriesByType('resource').filter(e => e.name.includes('/console/')).reduce((sum, e) => sum + e.transferSize, 0)"


def sign_in(page: Page, url: str, key: str) -> None:
    page.goto(f"{url}/console/")
    page.get_by_placeholder("il_…").fill(key)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Home").wait_for()


async def ask(running: Product, count: int) -> str:
    """Make reviews that differ in nothing but their titles' task, and a reviewer; gives the reviewer's key."""
    async with product.client(running) as http:
        body = {"name": "bench", "user": "user:reviewer", "roles": ["reviewer", "auditor"]}
        key = (await http.post("/v1/keys", json=body)).json()["key"]
        ids = [await product.submit(http, "ask-once", {"number": number}) for number in range(count)]
        for task in ids:
            await product.until(http, task, "waiting")
    return str(key)


def answers(browser: Browser, running: Product, key: str) -> list[float]:
    """Approve one review after the other; gives milliseconds from key press to the next one painted."""
    headers = {"authorization": f"Bearer {key}"}
    found = httpx.get(f"{running.url}/v1/reviews", params={"limit": 200}, headers=headers, trust_env=False).json()[
        "items"
    ]
    page = browser.new_page()
    sign_in(page, running.url, key)
    page.goto(f"{running.url}/console/reviews/{found[0]['id']}?queue=open")
    page.locator("li.row-link").first.wait_for()
    took = []
    for before, after in itertools.pairwise(found):
        page.wait_for_url(f"**/{before['id']}**")
        page.wait_for_timeout(400)  # a person looks; and the next one is loaded meanwhile, as it is for them
        page.evaluate(
            "document.querySelector('h1').textContent = ''"
        )  # titles are alike: this one is not the next one's
        took.append(float(page.evaluate(PAINTED, after["request"]["title"])))
    page.close()
    return took[1:]


def first_page(browser: Browser, running: Product, key: str) -> tuple[float, float]:
    """Give the largest contentful paint (ms) and the kB over the wire of the inbox in a fresh profile."""
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, running.url, key)
    cookies = context.cookies()
    context.close()
    fresh = browser.new_context()
    fresh.add_cookies([{**one, "url": None} for one in cookies])
    page = fresh.new_page()
    page.goto(f"{running.url}/console/inbox")
    page.get_by_role("heading", name="Inbox").wait_for()
    page.wait_for_timeout(500)
    lcp, wire = float(page.evaluate(LCP)), float(page.evaluate(WIRE)) / 1_000
    fresh.close()
    return lcp, wire


def long_tasks(browser: Browser, running: Product, key: str) -> list[float]:
    """Give the durations (ms) of the long tasks while 10,000 rows are scrolled through."""
    server = EmbeddedPostgres(running.folder)
    server.adopt()
    with long_table.many_tasks(server.owner_url, "ask-once"):
        page = browser.new_page()
        sign_in(page, running.url, key)
        long_table.load_all(page, running.url)
        found = long_table.long_tasks(page)
        page.close()
    return found


def measure(reviews: int) -> dict[str, Any]:
    path = chromium()
    if path is None:
        raise RuntimeError("there is no Chromium: `make browser` installs Debian's, as root")
    with product.running() as running:
        key = asyncio.run(ask(running, reviews))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            took = answers(browser, running, key)
            pages = [first_page(browser, running, key) for _ in range(5)]
            long = long_tasks(browser, running, key)
            browser.close()
    return {
        "machine": line(),
        "answer_ms": {"p50": statistics.median(took), "p95": statistics.quantiles(took, n=20)[-1], "count": len(took)},
        "lcp_ms": statistics.median(lcp for lcp, _ in pages),
        "wire_kb": max(wire for _, wire in pages),
        "long_tasks_ms": [round(one) for one in long],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    report = measure(options.reviews)
    if options.json:
        print(json.dumps(report))
        return 0
    answer = report["answer_ms"]
    print(report["machine"])
    print(
        f"key press → next review painted: p50 {answer['p50']:.0f} ms, p95 {answer['p95']:.0f} ms (aim ≤ 200), {answer['count']} answers"
    )
    print(
        f"largest contentful paint of the inbox: {report['lcp_ms']:.0f} ms (aim ≤ 1500); over the wire: {report['wire_kb']:.0f} kB (aim ≤ 300)"
    )
    print(
        f"long tasks while {long_table.TASKS:,} rows scroll: {len(report['long_tasks_ms'])} {report['long_tasks_ms']} (aim: none)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

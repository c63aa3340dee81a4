"""A table of 10,000 tasks, and how its scrolling is measured: by the browser's own observer of long tasks, and by its trace."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from playwright.sync_api import Page

TASKS = 10_000
STEPS = 200
MANY = "user:many"
LONG_MS = 50  # from here on a task of the main thread is one that a person feels
_INSERT = (
    "insert into interlock.tasks (tenant, id, automation, automation_version, state, correlation_id, subject, input, submitted_by,"
    " accepted_at, ended_at) select 'default', 'task_' || md5(n::text), %s, '1.0.0', 'cancelled', md5('c' || n), %s, '{}',"
    " %s, now() - interval '40 days', now() - interval '40 days' from generate_series(1, %s) n"
)
LOADED_WITHIN_MS = 180_000
_TO_THE_END = """async ([all, within]) => {
    const until = performance.now() + within;
    while (performance.now() < until) {
        const table = document.querySelector('.task-table');
        table.scrollTop = table.scrollHeight;
        if ([...document.querySelectorAll('[role=status]')].some((one) => one.textContent === all)) return true;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
}"""
KNOWN_MS = 110  # of the work below, where `LONG_MS` was set; each time in a task of its own, since the trace may begin within the first
_KNOWN = """async () => {
    let sum = 0;
    for (let time = 0; time < 4; time++) {
        await new Promise((done) => setTimeout(done));
        for (let n = 0; n < 2.5e7; n++) sum = (sum * 31 + n) % 1000003;
    }
    return sum;
}"""
# What hangs the page for over 50 ms is a long task; one a frame is scrolled, from end to end.
_SCROLL = f"""async () => {{
    const long = [];
    const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.duration)));
    observer.observe({{type: 'longtask'}});
    const table = document.querySelector('.task-table');
    for (let step = 0; step <= {STEPS}; step++) {{
        table.scrollTop = table.scrollHeight * step / {STEPS};
        await new Promise((resolve) => requestAnimationFrame(resolve));
    }}
    await new Promise((resolve) => setTimeout(resolve, 300));
    observer.disconnect();
    return long;
}}"""


@contextmanager
def many_tasks(owner_url: str, automation: str) -> Iterator[None]:
    """Put 10,000 ended tasks beside what is there; they go again."""
    with psycopg.connect(owner_url, autocommit=True) as conn:
        conn.execute(_INSERT, (automation, MANY, MANY, TASKS))
        try:
            yield
        finally:
            conn.execute("delete from interlock.tasks where subject = %s", (MANY,))


def load_all(page: Page, url: str) -> None:
    """Open the tasks' table, and scroll until every one of the 10,000 is loaded."""
    page.goto(f"{url}/console/tasks?find={MANY}")
    page.locator(".task-row a").first.wait_for()
    loaded = page.evaluate(_TO_THE_END, [f"{TASKS} tasks", LOADED_WITHIN_MS])
    assert loaded, f"{TASKS} tasks are not loaded within {LOADED_WITHIN_MS} ms"


def long_tasks(page: Page) -> list[float]:
    """Scroll from end to end, one step a frame; gives the milliseconds of each long task of the page's main thread."""
    found: list[float] = page.evaluate(_SCROLL)
    return found


def long_on_processor(page: Page, act: Callable[[], object]) -> list[float]:
    """Give the milliseconds of processor time of each task of the page's main thread over `LONG_MS` while something is done.

    By the thread's own clock, in Chromium's trace: what other processes take from it, on a busy machine, is not in it. Nor is it that the machine is
    a slow one: `LONG_MS` is longer there by as much as the same piece of work is.
    """
    known = statistics.median(sorted(_on_processor(page, lambda: page.evaluate(_KNOWN)))[-3:])
    limit = LONG_MS * max(1.0, known / KNOWN_MS)
    return [one for one in _on_processor(page, act) if one > limit]


def _on_processor(page: Page, act: Callable[[], object]) -> list[float]:
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    try:
        act()
    finally:
        events = json.loads(browser.stop_tracing())["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    took = [
        event["tdur"] / 1_000
        for event in events
        if event.get("name", "").endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in threads
    ]
    assert took, "the trace has no task of a page"
    return took

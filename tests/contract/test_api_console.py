"""What the console stands on: its files and their content policy, pages of documents as pictures, cases that are alike, and numbers."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest_asyncio
from PIL import Image
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, client

from interlock.api.console import Console
from interlock.api.server import create_api

pytestmark = MARKS
__all__ = ["api"]

INDEX = '<meta name="csp-nonce" content="{{nonce}}" /><meta name="session" content="{{session}}" />'


@pytest_asyncio.fixture(loop_scope="module")
async def browser(api: Running, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a session, before a console of two files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "main-1a2b.js").write_text("let a = 1;" * 100)
    (tmp_path / "secret.key").write_text("not for anybody")
    async with client(create_api(api.app, built=Console(tmp_path)), None) as found:
        yield found


async def test_every_page_gets_a_nonce_of_its_own_and_lets_nothing_in_from_elsewhere(
    browser: httpx.AsyncClient,
) -> None:
    nonces = set()
    for path in ("/console/", "/console/reviews/rev_1", "/console/index.html"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        found = re.search(r'csp-nonce" content="([\w-]{20,})"', answer.text)
        assert found is not None
        assert f"style-src 'self' 'nonce-{found[1]}'" in policy
        assert "default-src 'none'; script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert 'name="session" content="none"' in answer.text
        nonces.add(found[1])
    assert len(nonces) == 3


async def test_no_address_below_the_console_is_answered_with_what_is_meant_for_programs(
    browser: httpx.AsyncClient,
) -> None:
    for path in ("%00", "tasks/%00", "tasks?find=%00", "tasks/%0A%0D", "tasks/%01%7F", "%ff", "inbox?find=%ff"):
        answer = await browser.get(f"/console/{path}")
        assert answer.status_code == 200
        assert "csp-nonce" in answer.text
    assert (await browser.get("/console/assets/%00.js")).status_code == 404
    assert (await browser.get("/v1/tasks?find=%00")).status_code == 400


async def test_the_page_says_whether_a_cookie_came(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/console/", headers={"cookie": "interlock=whatever"})
    assert 'name="session" content="maybe"' in answer.text
    assert "whatever" not in answer.text


async def test_assets_are_packed_and_kept_and_what_was_not_built_is_not_there(browser: httpx.AsyncClient) -> None:
    path = "/console/assets/main-1a2b.js"
    packed = await browser.get(path, headers={"accept-encoding": "gzip"})
    plain = await browser.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == "let a = 1;" * 100
    assert "immutable" in packed.headers["cache-control"]
    assert (await browser.get("/console/assets/main-old.js")).status_code == 404
    for hostile in ("/console/secret.key", "/console/..%2fapp.py", "/console/%2e%2e/app.py", "/console//etc/passwd"):
        answer = await browser.get(hostile)
        assert "not for anybody" not in answer.text
        assert answer.status_code == 404 or "csp-nonce" in answer.text


async def test_the_root_leads_to_the_console_or_to_the_api(
    api: Running, browser: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await browser.get("/")).headers["location"] == "/console/"
    async with client(create_api(api.app, built=Console(tmp_path / "nothing")), None) as unbuilt:
        assert (await unbuilt.get("/")).headers["location"] == "/docs"
        answer = await unbuilt.get("/console/inbox")
    assert answer.status_code == 404
    assert "make console" in answer.json()["fix"]


async def test_a_page_of_a_document_is_a_picture(api: Running) -> None:
    with io.BytesIO() as file:
        pages = [Image.fromarray(np.full((90, 60, 3), shade, np.uint8)) for shade in (255, 40)]
        pages[0].save(file, "PDF", save_all=True, append_images=pages[1:])
        pdf = file.getvalue()
    document = (await api.as_("author").post("/v1/documents", files={"file": ("a.pdf", pdf)})).json()
    shades = []
    for number in (1, 2):
        answer = await api.as_("reviewer").get(f"/v1/documents/{document['id']}/pages/{number}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        assert "private" in answer.headers["cache-control"]
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.height > picture.width
        shades.append(np.asarray(picture.convert("L")).mean())
    assert shades[0] > 240 > 60 > shades[1]
    missing = await api.as_("reviewer").get(f"/v1/documents/{document['id']}/pages/3")
    assert (missing.status_code, "2 pages" in missing.json()["detail"]) == (404, True)
    assert (await api.as_("reviewer").get(f"/v1/documents/{document['id']}/pages/0")).status_code == 422


async def test_cases_that_are_alike_come_newest_first_and_open_ones_do_not(api: Running) -> None:
    ended = []
    for name in ("Zoe", "Yan", "Zoe"):
        task, review_id = await api.review(name=name)
        await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve", json={"reason": "so"})
        await api.until(task["id"], "succeeded")
        ended.append(review_id)
    _, open_id = await api.review(name="Zoe")
    _, asked = await api.review(name="Zoe")

    async def alike(**params: str) -> list[str]:
        answer = await api.as_("reviewer").get(f"/v1/reviews/{asked}/similar", params=params)
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert (await alike(field="name"))[:2] == [ended[2], ended[0]]
    assert open_id not in await alike()
    assert (await alike(limit="2")) == [ended[2], ended[1]]
    assert await alike(field="no-such-value") == []
    listed = await api.as_("owner").get("/v1/reviews", params={"state": "answered", "newest": "true", "limit": "2"})
    assert [one["id"] for one in listed.json()["items"]] == [ended[2], ended[1]]
    cursor = listed.json()["next_cursor"]
    more = await api.as_("owner").get(
        "/v1/reviews", params={"state": "answered", "newest": "true", "limit": "1", "cursor": cursor}
    )
    assert more.json()["items"][0]["id"] == ended[0]


async def test_a_likely_duplicate_is_found_by_its_file_and_by_what_was_read(api: Running) -> None:
    async def stored(name: str, data: bytes) -> dict[str, Any]:
        made: dict[str, Any] = (await api.as_("author").post("/v1/documents", files={"file": (name, data)})).json()
        return made

    file = io.BytesIO()
    Image.new("RGB", (40, 60), "white").save(file, "PNG")
    once, again = await stored("once.png", file.getvalue()), await stored("again.png", file.getvalue())
    same_file, _ = await api.review(name="Ada", document=once)
    same_values = await api.submit(name="Bo", wait="succeeded")
    other_day = await api.submit(name="Cy", wait="succeeded")
    _, asked = await api.review(name="Ada", document=again)
    for task, day in ((same_values, "2026-01-02"), (other_day, "2026-01-03")):
        read = {"merchant": {"value": "Kedai Kopi", "page": 1}, "date": {"value": day}, "total": "12.5"}
        await api.owner(
            "insert into effects (tenant, task_id, generation, effect_id, seq, kind, name, target, input_digest, status, value, meta, salt, epoch)"
            " select tenant, id, 1, '/read#1', 99, 'infer', 'read', 'reader', '', 'ok', %s::json, '{}', '', 1 from tasks where id = %s",
            (json.dumps(read), task["id"]),
        )

    async def alike(who: str = "reviewer") -> dict[str, list[str]]:
        answer = await api.as_(who).get(f"/v1/reviews/{asked}/similar")
        assert answer.status_code == 200, answer.text
        return {one["task_id"]: one["same"] for one in answer.json()["duplicates"]}

    assert await alike() == {same_file["id"]: ["document"]}  # a greeting has no day
    asks = {"merchant": "KEDAI-KOPI", "date": "2026-01-02", "total": "12.50"}
    await api.owner(
        "update reviews set request = jsonb_set(request::jsonb, '{values}', %s::jsonb)::json where id = %s",
        (json.dumps(asks), asked),
    )
    assert await alike() == {same_file["id"]: ["document"], same_values["id"]: ["merchant", "date", "total"]}


async def test_numbers_count_what_needed_nobody(api: Running) -> None:
    async def now() -> dict[str, float]:
        answer = await api.as_("owner").get("/v1/statistics", params={"hours": 1})
        assert answer.status_code == 200, answer.text
        found: dict[str, float] = next((one for one in answer.json()["items"] if one["automation"] == "greet"), {})
        return found

    before = await now()
    await api.submit(name="Ida", wait="succeeded")
    await api.submit(name="Fay", fail=True, wait="failed")
    task, review_id = await api.review(name="Ada")
    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    await api.until(task["id"], "succeeded")
    after = await now()
    grown = {name: after[name] - before.get(name, 0) for name in ("tasks", "succeeded", "failed", "straight_through")}
    assert grown == {"tasks": 3, "succeeded": 2, "failed": 1, "straight_through": 1}
    assert 0 < after["p50_ms"] <= after["p95_ms"]
    assert float(after["cost_usd"]) >= 0
    refused = await api.as_("author").get("/v1/statistics", params={"hours": 0})
    assert refused.status_code == 422


async def test_a_series_counts_each_hour_or_day_those_without_a_task_too(api: Running) -> None:
    async def parts(**params: str | int) -> list[dict[str, Any]]:
        answer = await api.as_("owner").get("/v1/statistics", params={"automation": "greet", **params})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["series"]
        return found

    assert await parts(hours=24) == []  # only where it is asked for
    before = await parts(hours=24, bucket="hour")
    assert len(before) == 25
    assert all(datetime.fromisoformat(one["at"]).minute == 0 for one in before)
    old = await api.submit(name="Ida", wait="succeeded")
    failed = await api.submit(name="Fay", fail=True, wait="failed")
    asked, _ = await api.review(name="Ada")
    # Not into the hour before that is shown first: it may be one that is not whole.
    await api.owner("update tasks set accepted_at = accepted_at - interval '3 hours' where id = %s", (old["id"],))
    names = ("succeeded", "straight_through", "failed", "open")
    then = {one["at"]: one for one in before}
    grown: Counter[tuple[datetime, str]] = Counter()
    for one in await parts(hours=24, bucket="hour"):  # a further hour may have begun meanwhile
        for name in names:
            grown[datetime.fromisoformat(one["at"]), name] += one[name] - then.get(one["at"], {}).get(name, 0)
    begun = "select date_trunc('hour', accepted_at, 'UTC') from tasks where id = %s"
    at_old, at_failed, at_asked = [(await api.owner(begun, (one["id"],)))[0][0] for one in (old, failed, asked)]
    assert +grown == Counter(
        [(at_old, "succeeded"), (at_old, "straight_through"), (at_failed, "failed"), (at_asked, "open")]
    )
    assert at_old < at_asked
    days = await parts(hours=72, bucket="day")
    assert len(days) == 4
    assert sum(one["failed"] for one in days) == sum(one["failed"] for one in await parts(hours=72, bucket="hour"))
    wrong = await api.as_("owner").get("/v1/statistics", params={"hours": 169, "bucket": "hour"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/bucket")

"""Marked personal data through every route: it stands where it must, and nowhere else. Not in logs, leaves, metrics or error messages."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
import structlog
from PIL import Image
from tests.contract.running_api import Running, client, prepare, running_api
from tests.contract.small_provider import AUDIENCE, CLIENT, SECRET, SmallProvider, sign, small_provider
from tests.eventually import eventually

from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.observability.logs import PROCESSORS, where

pytestmark = [pytest.mark.postgres]
SECRETS = ["Grzmot"]
MARK = "Zxqwert"
WORDS = "Grzmot four words stand here"  # a password: it stands nowhere
# Where what people write stands, and is erased with them (`erase_task`, `erase_document`), or names them as the tenant does.
ALLOWED = {
    "accounts", "api_keys", "attempts", "deliveries", "documents", "effects", "erasures", "idempotency_keys", "outbox", "person_links",
    "review_events", "reviews", "sessions", "subject_keys", "tasks",
}  # fmt: skip


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect every log line as it would be written, at every level."""
    lines: list[str] = []

    def collect(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        lines.append(json.dumps(line, default=repr))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[*PROCESSORS, collect])
    try:
        yield lines
    finally:
        structlog.configure(**before)


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[SmallProvider]:
    async with small_provider() as running:
        yield running


@pytest_asyncio.fixture
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path: Path, provider: SmallProvider
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    allowed = (urlsplit(provider.issuer).netloc,)
    async with running_api(tmp_path, urls, outgoing_allow=allowed, public_url="https://interlock.test") as running:
        yield running


def png() -> bytes:
    out = io.BytesIO()
    picture = Image.new("L", (8, 8))
    exif = picture.getexif()
    exif[0x010E] = MARK
    picture.save(out, "PNG", exif=exif)
    return out.getvalue()


def task(**given: Any) -> dict[str, Any]:
    return {"automation": "greet", "input": {"name": MARK, **given}, "labels": {f"l-{MARK}": MARK}}


async def _logged(author: httpx.AsyncClient, task_id: str) -> bool:
    found = await author.get(f"/v1/tasks/{task_id}/logs")
    return [line["text"] for line in found.json()["items"]] == [f"composing for {MARK}", MARK]


async def work(api: Running) -> None:
    """Send the mark wherever a person may write something, and let tasks succeed, fail and be asked about."""
    author, reviewer, owner = api.as_("author"), api.as_("reviewer"), api.as_("owner")
    document = (await author.post("/v1/documents", files={"file": (f"{MARK}.png", png())})).json()["id"]
    sent = await author.post(
        "/v1/tasks", json=task(padding=MARK * 10, says=MARK), headers={"idempotency-key": f"key-{MARK}"}
    )
    assert sent.status_code == 202, sent.text
    await api.until(sent.json()["id"], "succeeded")
    await eventually(lambda: _logged(author, sent.json()["id"]), message="what the step wrote")
    large = await author.post("/v1/tasks", json=task(padding=MARK + "y" * 40_000))
    await api.until(large.json()["id"], "succeeded")
    failed = await author.post("/v1/tasks", json=task(fail=True))
    await api.until(failed.json()["id"], "failed")
    assert (await owner.post(f"/v1/tasks/{failed.json()['id']}:retry")).status_code == 202
    asked = await author.post("/v1/tasks", json=task(amount="200", subject=f"person:{MARK}", document={"id": document}))
    waiting = await api.until(asked.json()["id"], "waiting")
    review = next(e["review_id"] for e in waiting["effects"] if e["kind"] == "review")
    for verb, body in (
        ("claim", {}), ("ask", {"text": f"Is it {MARK}?"}), ("amend", {"values": {"name": f"{MARK} II"}, "reason": f"of {MARK}"}),
    ):  # fmt: skip
        answer = await reviewer.post(f"/v1/reviews/{review}:{verb}", json=body)
        assert answer.status_code == 200, answer.text
    await api.until(asked.json()["id"], "succeeded")
    stopped = await author.post("/v1/tasks", json=task(wait_s=10_000))
    await api.until(stopped.json()["id"], "waiting")
    await author.post(f"/v1/tasks/{stopped.json()['id']}:cancel", json={"reason": f"for {MARK}"})
    await api.until(stopped.json()["id"], "cancelled")
    resolved = await author.post(f"/v1/tasks/{stopped.json()['id']}:resolve", json={"note": f"{MARK} knows"})
    assert resolved.status_code == 200, resolved.text
    key = await owner.post("/v1/keys", json={"name": f"key of {MARK}", "user": f"user:{MARK}", "roles": ["reviewer"]})
    assert key.status_code == 201, key.text
    linked = await owner.post("/v1/person-links", json={"one": f"user:{MARK}", "other": "user:mei"})
    assert linked.status_code == 201, linked.text
    secret = await owner.put("/v1/secrets/vendor-token", json={"value": f"{MARK} {MARK}", "automations": ["greet"]})
    assert secret.status_code == 200, secret.text
    await sign_in(api)
    erasure = await owner.post("/v1/privacy/erasures", json={"subject": f"person:{MARK}"})
    assert erasure.status_code == 202, erasure.text


async def sign_in(api: Running) -> None:
    """Sign in with a password, rightly and wrongly; neither it nor the session's tokens may stand anywhere."""
    body = {"id": f"user:{MARK}", "name": MARK, "roles": ["reviewer"], "password": WORDS}
    made = await api.as_("owner").post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    async with client(api.api, None, base_url="https://interlock.test") as browser:
        given = {"user": f"user:{MARK}", "password": WORDS}
        wrong = await browser.post("/v1/sessions", json={**given, "password": WORDS + "!"})
        right = await browser.post("/v1/sessions", json=given)
        assert (wrong.status_code, right.status_code) == (401, 201), right.text
        SECRETS.extend((browser.cookies["__Host-interlock"].split("_", 4)[-1], right.json()["csrf_token"]))
        assert (await browser.get("/v1/whoami")).status_code == 200


async def sign_in_elsewhere(api: Running, provider: SmallProvider) -> None:
    """Sign in by an identity provider, rightly and wrongly, and call with its tokens."""
    body = {
        "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "user_claim": "preferred_username",
        "audience": AUDIENCE, "groups": [{"display": "finance", "roles": ["reviewer"]}],
    }  # fmt: skip
    made = await api.as_("owner").put("/v1/identity-providers/small", json=body)
    assert made.status_code == 200, made.text
    named = {"preferred_username": f"{MARK}-there", "name": MARK, "email": f"{MARK}@example.com"}
    async with client(api.api, None, base_url="https://interlock.test") as browser:
        for groups, status in (("finance", 200), ("choir", 401)):
            begun = await browser.get("/v1/sign-in/oidc/default/small", follow_redirects=False)
            back = provider.approve(begun.headers["location"], f"{MARK}-sub", [groups], **named)
            done = await browser.get("/v1/sign-in/oidc/default/small/callback", params=back)
            assert done.status_code == status, done.text
    for groups, status in (("finance", 200), ("choir", 401)):
        token = sign(provider.access_token(f"{MARK}-sub", [groups], **named))
        answer = await api.as_("nobody-at-all").get("/v1/whoami", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status, answer.text
        SECRETS.append(token)
    SECRETS.extend((SECRET, *provider.issued))


async def mistakes(api: Running) -> list[httpx.Response]:
    """Send the mark where it is refused."""
    author, owner, reviewer = api.as_("author"), api.as_("owner"), api.as_("reviewer")
    _, review = await api.review(name="Nobody")
    idempotent = {"idempotency-key": f"twice-{MARK}"}
    await author.post("/v1/tasks", json=task(), headers=idempotent)
    posts: list[tuple[httpx.AsyncClient, str, dict[str, Any]]] = [
        (author, "/v1/tasks", {"json": task(padding="z", amount=MARK)}),
        (author, "/v1/tasks", {"json": {"automation": "greet", "input": {"name": MARK * 20}}}),
        (
            author,
            "/v1/tasks",
            {"json": {"automation": "greet", "input": {"name": "x", "amount": -1, "padding": [MARK]}}},
        ),
        (author, "/v1/tasks", {"json": {**task(), "callback_url": f"http://127.0.0.1/{MARK}"}}),
        (author, "/v1/tasks", {"json": {**task(), "callback_url": f"https://{MARK}:{MARK}@example.org/"}}),
        (author, "/v1/tasks", {"json": {**task(), "slo": {"priority": MARK}}}),
        (author, "/v1/tasks", {"json": task(padding="other"), "headers": idempotent}),
        (
            author,
            "/v1/tasks",
            {"content": f'{{"automation": "greet", {MARK}'.encode(), "headers": {"content-type": "application/json"}},
        ),
        (author, "/v1/documents", {"files": {"file": (f"{MARK}.exe", MARK.encode())}}),
        (author, "/v1/documents", {"files": {"file": (f"{MARK}.pdf", b"%PDF-1.7 " + MARK.encode())}}),
        (author, "/v1/documents", {"files": {"file": (f"{MARK}.png", png()[:40])}}),
        (owner, "/v1/keys", {"json": {"name": MARK * 40, "user": f"{MARK} {MARK}", "roles": [MARK]}}),
        (owner, "/v1/secrets/vendor-token", {"json": {"value": MARK, "automations": ["greet"]}}),
        (owner, "/v1/privacy/erasures", {"json": {"subject": f"{MARK}-unknown"}}),
        (owner, "/v1/privacy/erasures", {"json": {"subject": MARK * 100}}),
        (reviewer, f"/v1/reviews/{review}:amend", {"json": {"values": {"amount": MARK}}}),
        (reviewer, f"/v1/reviews/{review}:amend", {"json": {"values": MARK}}),
        (reviewer, f"/v1/reviews/{review}:reject", {"json": {"reason": [MARK]}}),
    ]
    answers = [await who.post(path, **given) for who, path, given in posts]
    return [
        *answers,
        await author.get("/v1/tasks", params={"cursor": MARK}),
        await owner.get(f"/v1/privacy/subjects/{MARK}-unknown"),
        await author.get("/v1/whoami", headers={"authorization": f"Bearer {MARK}"}),
    ]


async def test_a_mark_stands_where_it_must_and_nowhere_else(
    api: Running, provider: SmallProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged() as lines:
        await work(api)
        await sign_in_elsewhere(api, provider)
        answers = await mistakes(api)

        async def settled() -> bool:
            return not await api.owner("select 1 from audit_pending limit 1")

        await eventually(settled, message="the audit log being sequenced")
        metrics = await api.as_("owner").get("/v1/metrics")
    assert [a.request.url.path for a in answers if not 400 <= a.status_code < 500] == []
    said = [{k: v for k, v in a.json().items() if k in ("detail", "fix", "title", "type", "code")} for a in answers]
    said += [{"errors": [e["detail"] for e in a.json()["errors"]]} for a in answers]
    assert [s for s in said if MARK.lower() in json.dumps(s).lower()] == []
    assert [line for line in lines if MARK.lower() in line.lower() or any(s in line for s in SECRETS)] == []
    out, err = capfd.readouterr()
    assert MARK.lower() not in (out + err).lower()
    assert 'interlock_tasks_total{automation="greet",state="succeeded"}' in metrics.text
    assert MARK.lower() not in metrics.text.lower()
    tables = await api.owner(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'interlock' and c.relkind = 'r'"
    )
    found = {
        name
        for (name,) in tables
        if await api.owner(f"select 1 from {name} t where t::text ilike %s limit 1", (f"%{MARK}%",))
    }
    assert found <= ALLOWED
    for (name,) in tables:
        for secret in SECRETS:
            assert not await api.owner(f"select 1 from {name} t where strpos(t::text, %s) > 0", (secret,)), name
    assert found >= {"tasks", "effects", "reviews", "review_events", "documents"}  # it went through


def test_a_log_line_says_where_an_error_was_and_not_what_it_said() -> None:
    try:
        try:
            raise KeyError(MARK)
        except KeyError as cause:
            raise ValueError(f"no {MARK}") from cause
    except ValueError as error:
        told = where(error)
    assert MARK not in told
    assert told.startswith("ValueError at ")
    assert "; from KeyError at " in told
    assert "test_canary.py:" in told

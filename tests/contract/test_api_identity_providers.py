"""Identity providers as owners set them: by API and command line, with limits, on record, and with a secret that nobody sees again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.api_fixture import MARKS
from tests.contract.running_api import Running, listening
from tests.contract.small_provider import CLIENT, SECRET, SmallProvider
from tests.contract.test_api_accounts import leaves
from tests.contract.test_api_keys import make
from tests.contract.test_api_sign_in import GROUPS, api, browser, provider, put, sign_in, small
from typer.testing import CliRunner

from interlock.cli import app as command_line

pytestmark = MARKS
__all__ = ["api", "provider", "small"]
PATH = "/v1/identity-providers/company"
BODY: dict[str, Any] = {"issuer": "https://login.example.com", "client_id": "c", "groups": GROUPS}


async def test_who_may(api: Running) -> None:
    await put(api, "company", BODY["issuer"])
    for who in ("author", "reviewer", "auditor", "agent", "nobody"):
        caller = api.as_(who)
        assert (await caller.put(PATH, json=BODY)).status_code == 403, who
        assert (await caller.delete(PATH)).status_code == 403, who
        assert (await caller.post(f"{PATH}:test")).status_code == 403, who
        assert (await caller.get(PATH)).status_code == (200 if who == "auditor" else 403), who
    for method, path in (("GET", PATH), ("DELETE", PATH), ("POST", f"{PATH}:test")):
        assert (await api.as_("stranger").request(method, path)).status_code == 404
    narrowed = await make(api, roles=["owner"], scope={"actions": ["provider.write"]})
    headers = {"authorization": f"Bearer {narrowed['key']}"}
    for method in ("PUT", "DELETE"):
        answer = await api.as_("anonymous").request(
            method, PATH, headers=headers, json=BODY if method == "PUT" else None
        )
        assert answer.status_code == 403, "a key that is narrowed would let in people who are not"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"issuer": "http://login.example.com"}, "/issuer"),
        ({"issuer": "https://login.example.com?x=1"}, "/issuer"),
        ({"issuer": "https://a:b@login.example.com"}, "/issuer"),
        ({"algorithm": "HS256"}, "/algorithm"),
        ({"algorithm": "none"}, "/algorithm"),
        ({"audience": "c"}, "/audience"),
        ({"groups": []}, "/groups"),
        ({"groups": [{"display": "x", "roles": []}]}, "/groups/0/roles"),
        ({"groups": [{"display": "x", "roles": ["reviewer", "emperor"]}]}, "/groups/0/roles/1"),
        ({"groups": [{"display": "x", "roles": ["owner"], "else": 1}]}, "/groups/0/else"),
        ({"groups": [{"display": "x", "roles": ["author"]}] * 201}, "/groups"),
        ({"client_secret": "ü" * 10}, "/client_secret"),
        ({"client_secret": "a\nb"}, "/client_secret"),
        ({"user_claim": "nickname"}, "/user_claim"),
        ({"required_claims": {str(n): "x" for n in range(11)}}, "/required_claims"),
    ],
)
async def test_what_is_wrong_is_named(api: Running, change: dict[str, Any], pointer: str) -> None:
    answer = await api.as_("owner").put("/v1/identity-providers/wrong", json=BODY | change)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    assert (await api.as_("owner").get("/v1/identity-providers/wrong")).status_code == 404


async def test_a_secret_stays_with_its_issuer_and_client_and_is_seen_by_nobody(api: Running) -> None:
    await put(api, "company", BODY["issuer"])
    kept = await api.as_("owner").put(PATH, json={**BODY, "client_id": CLIENT})
    assert (kept.status_code, kept.json()["has_secret"]) == (200, True)
    # Whoever may change the issuer must not get the secret sent to it.
    for change in ({"issuer": "https://evil.example", "client_id": CLIENT}, {"client_id": "another"}):
        moved = await api.as_("owner").put(PATH, json=BODY | change)
        assert (moved.status_code, moved.json()["errors"][0]["pointer"]) == (422, "/client_secret")
    # Nor whoever can write into the table.
    await api.owner("update identity_providers set issuer = 'https://evil.example' where name = 'company'")
    async with api.app.database.tenant("default") as conn:
        with pytest.raises(Exception, match="cannot be opened"):
            await api.app.access.federation._providers.secret(conn, "default", "company")
    without = await api.as_("owner").put(PATH, json={**BODY, "client_secret": ""})
    assert (without.status_code, without.json()["has_secret"]) == (200, False)
    assert not await api.owner("select 1 from identity_providers where name = 'company' and sealed_secret is not null")


async def test_an_issuer_has_one_provider_and_a_tenant_twenty(api: Running) -> None:
    await put(api, "company", BODY["issuer"])
    twin = await api.as_("owner").put("/v1/identity-providers/twin", json=BODY)
    assert (twin.status_code, twin.json()["code"]) == (409, "conflict")
    there = len((await api.as_("stranger").get("/v1/identity-providers")).json()["items"])
    for number in range(20 - there):
        await put(api, f"p-{number}", f"https://p{number}.example", "stranger")
    body = {**BODY, "issuer": "https://more.example"}
    assert (await api.as_("stranger").put("/v1/identity-providers/more", json=body)).status_code == 422


async def test_each_change_is_on_record_without_the_groups_names(api: Running) -> None:
    await put(api, "company", BODY["issuer"])
    assert (await api.as_("owner").delete(PATH)).status_code == 204
    assert (await api.as_("owner").delete(PATH)).status_code == 404
    said = [
        leaf for kind in ("provider.set", "provider.removed") for leaf in await leaves(api, kind) if '"company"' in leaf
    ]
    assert len(said) >= 2
    assert all(
        '"roles":["author","reviewer"]' in leaf and "finance" not in leaf and "olga" not in leaf for leaf in said
    )


async def test_the_command_line_sets_tests_and_shows(
    api: Running, provider: SmallProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "groups.json"
    file.write_text(json.dumps(GROUPS))

    def run(*arguments: str, value: str = "", code: int = 0) -> Any:
        done = CliRunner().invoke(command_line, ["provider", *arguments], input=value, catch_exceptions=code != 0)
        assert done.exit_code == code, done.output
        assert SECRET not in done.output
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    given = ("set", "small", "--issuer", provider.issuer, "--client-id", CLIENT, "--groups", str(file))
    async with listening(api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", api.keys["owner"])
        made = await asyncio.to_thread(run, *given, "--require", "hd=example.com", "--json", value=f"{SECRET}\n")
        assert (made["has_secret"], made["required_claims"]) == (True, {"hd": "example.com"})
        assert (await asyncio.to_thread(run, *given, "--keep-secret", "--json"))["has_secret"] is True
        assert (await asyncio.to_thread(run, "test", "small", "--json"))["keys"] == 1
        assert "reviewer" in await asyncio.to_thread(run, "show", "small")
        assert "small" in [p["name"] for p in (await asyncio.to_thread(run, "list", "--json"))["items"]]
        async with browser(api) as caller:
            assert (await sign_in(caller, provider, "cli")).status_code == 200
            assert (await asyncio.to_thread(run, "remove", "small", "--json"))["removed"] is True
            assert (await caller.get("/v1/whoami")).status_code == 401
        file.write_text("{}")
        await asyncio.to_thread(run, *given, "--keep-secret", code=1)
    await put(api, "small", provider.issuer)

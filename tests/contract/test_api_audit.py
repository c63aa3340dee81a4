"""The audit log by the API and the command line: filters, proofs, checkpoints, keys, and an evidence pack that verifies."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running, listening
from tests.eventually import eventually
from typer.testing import CliRunner

from interlock.cli import app as command_line
from interlock.domain.errors import InterlockError
from interlock.governance import merkle, pack_verifier

pytestmark = MARKS
__all__ = ["api"]


async def records(api: Running, **params: Any) -> list[dict[str, Any]]:
    answer = await api.as_("owner").get("/v1/audit/records", params={"limit": 20, **params})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def settled(api: Running, task_id: str) -> list[dict[str, Any]]:
    """Give a task's records once its end has a position that a checkpoint covers."""

    async def covered() -> list[dict[str, Any]] | None:
        found = await records(api, task_id=task_id)
        latest = await api.as_("owner").get("/v1/audit/checkpoints/latest")
        ended = any(one["facts"]["kind"] == "task.succeeded" for one in found)
        return found if ended and latest.json().get("size", 0) > found[-1]["position"] else None

    result: list[dict[str, Any]] = await eventually(covered, message="the records being covered")
    return result


async def test_filters_narrow(api: Running) -> None:
    task, review_id = await api.review(name="Ada", subject="user:ada")
    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    found = await settled(api, task["id"])
    positions = [one["position"] for one in found]
    for matching in (
        {"correlation_id": task["correlation_id"]},
        {"person": "user:ada"},
        {"person": "user:mei", "task_id": task["id"]},
        {"automation": "greet", "task_id": task["id"]},
        {"since": found[0]["facts"]["at"], "task_id": task["id"]},
    ):
        assert [one["position"] for one in await records(api, **matching)] == positions, matching
    assert [one["facts"]["kind"] for one in await records(api, task_id=task["id"], kind="review.answered")] == [
        "review.answered"
    ]
    assert await records(api, until=found[0]["facts"]["at"], task_id=task["id"]) == []
    assert await records(api, person="user:nobody") == []
    keys = await records(api, person="user:bo", kind="key.created")
    assert len(keys) == 1


async def test_newest_first_goes_back_to_the_beginning_page_by_page(api: Running) -> None:
    task = await api.submit(name="Nell", wait="succeeded")
    found = await settled(api, task["id"])
    assert len(found) > 3
    back: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"task_id": task["id"], "newest": "true", "limit": "2", **({"cursor": cursor} if cursor else {})}
        answer = await api.as_("owner").get("/v1/audit/records", params=params)
        assert answer.status_code == 200, answer.text
        back += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
        first = cursor
    assert back == found[::-1]
    other_way = await api.as_("owner").get("/v1/audit/records", params={"cursor": first})
    assert other_way.status_code == 400, other_way.text


@pytest.mark.parametrize(
    "params",
    [
        {"since": "2026-01-01T00:00:00"},
        {"since": "yesterday"},
        {"kind": "%"},
        {"person": "x" * 5000},
        {"until": "9999-12-31T00:00:00Z"},
    ],
)
async def test_filters_that_cannot_be_are_refused(api: Running, params: dict[str, str]) -> None:
    for path in ("/v1/audit/records", "/v1/evidence"):
        assert (await api.as_("owner").get(path, params=params)).status_code == 422


async def test_a_filter_that_is_none_gives_nothing_away(api: Running) -> None:
    answer = await api.as_("owner").get("/v1/evidence", params={"task": "task_x"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/task"), answer.text[:200]


async def test_proofs_lead_to_the_signed_root(api: Running) -> None:
    task = await api.submit(name="Ada", wait="succeeded")
    found = await settled(api, task["id"])
    proof = (await api.as_("owner").get("/v1/audit/proofs", params={"position": found[0]["position"]})).json()
    head = proof["checkpoint"]
    merkle.verify_inclusion(
        leaf=merkle.leaf_hash(proof["leaf"].encode()), index=proof["position"], size=head["size"],
        proof=[bytes.fromhex(one) for one in proof["hashes"]], root=bytes.fromhex(head["root"]),
    )  # fmt: skip
    listed = (await api.as_("owner").get("/v1/audit/checkpoints", params={"limit": 20})).json()["items"]
    sizes = [one["size"] for one in listed]
    assert sizes == sorted(sizes, reverse=True)
    both = (await api.as_("owner").get("/v1/audit/proofs", params={"from": sizes[-1], "to": sizes[0]})).json()
    merkle.verify_consistency(
        old_size=sizes[-1], new_size=sizes[0], proof=[bytes.fromhex(one) for one in both["hashes"]],
        old_root=bytes.fromhex(both["old"]["root"]), new_root=bytes.fromhex(both["checkpoint"]["root"]),
    )  # fmt: skip
    pages = (await api.as_("owner").get("/v1/audit/checkpoints", params={"limit": 1})).json()
    second = await api.as_("owner").get("/v1/audit/checkpoints", params={"limit": 1, "cursor": pages["next_cursor"]})
    assert second.json()["items"][0]["size"] < pages["items"][0]["size"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"position": 1, "from": 2}, 422),
        ({"from": 1, "size": 2}, 422),
        ({"position": 1, "to": 2}, 422),
        ({"position": -1}, 422),
        ({"position": 10**30}, 422),
        ({"position": 4 * 10**18}, 404),
        ({"position": 0, "size": 4 * 10**18}, 404),
        ({"from": 4 * 10**18}, 404),
    ],
)
async def test_proofs_that_cannot_be_are_refused(api: Running, params: dict[str, int], status: int) -> None:
    await settled(api, (await api.submit(name="Ada", wait="succeeded"))["id"])
    assert (await api.as_("owner").get("/v1/audit/proofs", params=params)).status_code == status


async def test_who_may_not_read_the_log_gets_nothing(api: Running) -> None:
    for path in ("records", "checkpoints", "checkpoints/latest", "keys", "proofs?position=0"):
        assert (await api.as_("nobody").get(f"/v1/audit/{path}")).status_code == 403, path
    assert (await api.as_("nobody").get("/v1/evidence")).status_code == 403


async def test_an_evidence_pack_verifies_by_the_key_that_the_api_lists(api: Running, tmp_path: Path) -> None:
    task, review_id = await api.review(name="Adelheid-Ottokarova")
    await api.as_("reviewer").post(f"/v1/reviews/{review_id}:approve")
    found = await settled(api, task["id"])
    key = (await api.as_("owner").get("/v1/audit/keys")).json()["items"][0]["verifier_key"]
    answer = await api.as_("owner").get("/v1/evidence", params={"task_id": task["id"]})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    said = pack_verifier.verify(path, key=key, tsa_roots=None)
    assert (said["records"], said["tenant"]) == (len(found), "default")
    assert not any("policy versions" in warning for warning in said["warnings"])
    assert (await api.as_("owner").get("/v1/evidence", params={"task_id": "task_x"})).status_code == 404
    with zipfile.ZipFile(path) as pack:
        inside = b"".join(pack.read(name) for name in pack.namelist())
    assert task["id"].encode() in inside
    assert all(secret not in inside for secret in (b"Adelheid-Ottokarova", b"user:mei", b"user:amir"))


async def test_the_command_line_lists_proves_and_exports(
    api: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio  # noqa: PLC0415 - the command runs in a thread of its own

    task = await api.submit(name="Ada", wait="succeeded")
    found = await settled(api, task["id"])

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(command_line, ["audit", *arguments, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    async with listening(api) as url:
        monkeypatch.setenv("INTERLOCK_API_URL", url)
        monkeypatch.setenv("INTERLOCK_API_KEY", api.keys["owner"])
        listed = await asyncio.to_thread(run, "records", "--task", task["id"])
        assert [one["position"] for one in listed["items"]] == [one["position"] for one in found]
        proofs = await asyncio.to_thread(run, "prove", task["id"])
        assert [one["position"] for one in proofs["items"]] == [one["position"] for one in found]
        assert (await asyncio.to_thread(run, "checkpoints", "--limit", "2"))["items"]
        key = (await asyncio.to_thread(run, "keys"))["items"][0]["verifier_key"]
        out = tmp_path / "evidence.zip"
        exported = await asyncio.to_thread(run, "export", "--task", task["id"], str(out))
        own = tmp_path / "verify.py"
        written = await asyncio.to_thread(run, "verifier", str(own))
        with zipfile.ZipFile(out) as pack:
            assert pack.read("verify.py") == own.read_bytes()
        assert exported["verifier_sha256"] == written["verifier_sha256"] == hashlib.sha256(own.read_bytes()).hexdigest()
        with pytest.raises(InterlockError, match=r"verify\.py cannot be written"):
            await asyncio.to_thread(run, "verifier", str(own))
        assert pack_verifier.verify(out, key=key, tsa_roots=None)["records"] == len(found)
        with pytest.raises(InterlockError, match="cannot be written"):
            await asyncio.to_thread(run, "export", str(out))
        with pytest.raises(InterlockError, match="No audit record matches"):
            await asyncio.to_thread(run, "export", "--person", "user:nobody", str(tmp_path / "none.zip"))
        assert not (tmp_path / "none.zip").exists()

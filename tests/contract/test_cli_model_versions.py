"""`interlock model register` to `release`, and `interlock task lineage`, as a person types them, over the wire."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract import model_automation
from tests.contract.running_api import Running, listening, prepare, running_api

from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


class Person:
    """Types commands with a key of their own; gives exit code, output and errors."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        own = {"INTERLOCK_AUTOMATIONS_DIR": str(folder), "INTERLOCK_API_URL": url, "INTERLOCK_API_KEY": key}
        self._environ = {**clean, "NO_COLOR": "1", "COLUMNS": "200", **own}

    async def __call__(self, *words: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "interlock.cli", *words]
        process = await asyncio.create_subprocess_exec(
            *command, env=self._environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode(), err.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Running, dict[str, Person]]]:
    folder = tmp_path_factory.mktemp("automations")
    model_automation.write(folder)
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path_factory.mktemp("api"), urls, automations_dir=folder) as api, listening(api) as url:
        yield api, {who: Person(folder, url, api.keys[who]) for who in ("author", "owner", "auditor")}


async def test_a_version_from_its_registration_to_its_end(
    people: tuple[Running, dict[str, Person]], tmp_path: Path
) -> None:
    api, by = people
    code, out, err = await by["author"]("model", "register", "order-reader", "--note", "First")
    assert code == 0, err
    assert "Version 1, orders/order-reader@1.0.0+" in out
    assert "Next: interlock model evaluate 1" in out
    measured = tmp_path / "measured.json"
    measured.write_text('{"right": 0.9}')
    code, out, err = await by["author"](
        "model", "evaluate", "1", "--metrics", str(measured), "--on", "messages of June"
    )
    assert code == 0, err
    assert "interlock model approve 1 (by another person)" in out
    assert (await by["author"]("model", "approve", "1"))[0] == 4
    assert (await by["owner"]("model", "approve", "1", "--note", "Good"))[0] == 0
    assert json.loads((await by["owner"]("model", "release", "1", "--json"))[1])["state"] == "released"

    done = await api.as_("author").post("/v1/tasks", json={"automation": "orders", "input": {"message": "c-300"}})
    await api.until(done.json()["id"], "succeeded")
    code, out, err = await by["auditor"]("task", "lineage", done.json()["id"])
    assert code == 0, err
    assert "/order = order C-300" in out
    assert "order-reader@1.0.0+" in out
    await what_is_known_of_it_is_printed(by)
    await it_goes_out_of_service_and_mistakes_are_told(by, tmp_path)


async def what_is_known_of_it_is_printed(by: dict[str, Person]) -> None:
    shown = (await by["auditor"]("model", "show", "1"))[1]
    for part in ("order-reader", "Approved", "user:olga", "messages of June", "In capitals."):
        assert part in shown
    assert "released" in (await by["auditor"]("model", "versions"))[1]
    statement = json.loads((await by["auditor"]("model", "statement", "1"))[1])
    assert statement["payloadType"] == "application/vnd.in-toto+json"
    assert json.loads((await by["auditor"]("model", "bom", "1"))[1])["specVersion"] == "1.6"
    keys = json.loads((await by["auditor"]("model", "keys", "--json"))[1])["items"]
    assert [key["id"] for key in keys] == [statement["signatures"][0]["keyid"]]


async def it_goes_out_of_service_and_mistakes_are_told(by: dict[str, Person], tmp_path: Path) -> None:
    assert (await by["auditor"]("model", "retire", "1"))[0] == 4
    code, _, err = await by["owner"]("model", "rollback", "1")
    assert (code, "No other version" in err) == (3, True)
    assert "is retired" in (await by["owner"]("model", "retire", "1", "--note", "Worse"))[1]
    code, _, err = await by["owner"]("model", "reject", "1", "--reason", "Too late")
    assert (code, "What can follow is: interlock model release" in err) == (1, True)
    wrong = tmp_path / "wrong.json"
    for text in ("[1]", "no", '{"right": {"at": 1}}'):
        wrong.write_text(text)
        assert (await by["author"]("model", "evaluate", "1", "--metrics", str(wrong)))[0] == 2
    assert (await by["author"]("model", "register", "nothing"))[0] == 3
    assert (await by["author"]("model", "show", "99"))[0] == 3
    assert (await by["owner"]("model", "rotate-key", "--revoke"))[0] == 0

"""One suite for the two stores of pseudonyms: kept under the subject's key, behind the fence, in their tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract import prepared_database
from tests.contract.prepared_database import Prepared, Writers

from interlock.boundary.pseudonym_store import MemoryPseudonyms, PostgresPseudonyms
from interlock.domain.errors import Conflict, Fenced
from interlock.domain.ports import PseudonymStore
from interlock.domain.tasks import Claimed
from interlock.governance.audit import SubjectKeys
from interlock.infra.embedded_postgres import EmbeddedPostgres

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prepared(make_database: Callable[[], str], postgres_server: EmbeddedPostgres) -> AsyncIterator[Prepared]:
    urls = await prepared_database.prepare(Path(postgres_server.data_dir), make_database())
    async with prepared_database.opened(urls) as opened:
        await opened.add_tenant()
        yield opened


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest, prepared: Prepared) -> PseudonymStore:
    return MemoryPseudonyms() if request.param == "memory" else PostgresPseudonyms(prepared.app)


async def claimed(prepared: Prepared) -> Claimed:
    task = await Writers(prepared).accept()
    return task if task.subject_key else replace(task, subject_key=SubjectKeys(bytes(32)).new("t", "s")[0])


async def test_what_is_kept_comes_back_in_this_task_only(store: PseudonymStore, prepared: Prepared) -> None:
    one, other = await claimed(prepared), await claimed(prepared)
    await store.keep(one, {"PERSON_1": "Radia", "PERSON_2": "Ünal"})
    await store.keep(one, {})
    assert await store.known(one) == {"PERSON_1": "Radia", "PERSON_2": "Ünal"}
    assert await store.known(other) == {}


async def test_one_pseudonym_never_stands_for_two(store: PseudonymStore, prepared: Prepared) -> None:
    task = await claimed(prepared)
    await store.keep(task, {"PERSON_1": "Radia"})
    with pytest.raises(Conflict):
        await store.keep(task, {"PERSON_1": "Grace", "PERSON_2": "Ada"})
    assert await store.known(task) == {"PERSON_1": "Radia"}


async def test_without_the_subjects_key_nothing_can_be_read(store: PseudonymStore, prepared: Prepared) -> None:
    task = await claimed(prepared)
    await store.keep(task, {"PERSON_1": "Radia"})
    for key in (b"x" * 32, b""):
        with pytest.raises(Conflict):
            await store.known(replace(task, subject_key=key))


async def test_who_lost_the_task_keeps_nothing_and_the_table_shows_no_value(prepared: Prepared) -> None:
    store, task = PostgresPseudonyms(prepared.app), await claimed(prepared)
    with pytest.raises(Fenced):
        await store.keep(replace(task, epoch=task.epoch + 1), {"PERSON_1": "Radia"})
    await store.keep(task, {"PERSON_1": "Radia"})
    rows = await prepared.ask("select name, sealed from pseudonyms where task_id = %s", (task.info.id,))
    assert [name for name, _ in rows] == ["PERSON_1"]
    assert b"Radia" not in bytes(rows[0][1])

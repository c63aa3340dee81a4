"""The fixture of the API's tests: one running API a module. Import `api` (and mark the module with `MARKS`) to use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.contract.running_api import Running, prepare, running_api

from interlock.infra.embedded_postgres import EmbeddedPostgres

MARKS = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    make_database: Callable[[], str], postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path_factory.mktemp("api"), urls) as running:
        yield running

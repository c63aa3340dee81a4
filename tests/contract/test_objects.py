"""The object store: one suite for the fake and for a real folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.data.objects import MemoryObjects, Objects
from interlock.domain.errors import NotFound, Unavailable
from interlock.domain.ports import ObjectStore


@pytest.fixture(params=["fake", "folder"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return MemoryObjects() if request.param == "fake" else Objects((tmp_path / "objects").as_uri())


async def test_what_was_put_is_there(objects: ObjectStore) -> None:
    await objects.put("tenants/a/documents/1", b"\x00bytes\xff")
    assert await objects.get("tenants/a/documents/1") == b"\x00bytes\xff"
    await objects.put("tenants/a/documents/2", b"")
    assert await objects.get("tenants/a/documents/2") == b""


async def test_a_key_is_written_once(objects: ObjectStore) -> None:
    await objects.put("key", b"first")
    await objects.put("key", b"second")
    assert await objects.get("key") == b"first"


async def test_what_is_not_there_is_said(objects: ObjectStore) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await objects.get("nowhere")


async def test_a_store_that_cannot_be_written_is_retryable(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    objects = Objects(folder.as_uri())
    (folder / "taken").write_bytes(b"a file where a folder is needed")
    with pytest.raises(Unavailable):
        await objects.put("taken/key", b"data")


async def test_a_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    await Objects(folder.as_uri()).probe()
    assert list(folder.iterdir()) == []


async def test_a_probe_of_a_store_that_takes_nothing_names_the_setting(tmp_path: Path) -> None:
    folder = tmp_path / "objects"
    objects = Objects(folder.as_uri())
    folder.rmdir()
    folder.write_bytes(b"a file where the folder was")
    with pytest.raises(Unavailable) as caught:
        await objects.probe()
    assert "INTERLOCK_OBJECT_STORE_URL" in (caught.value.fix or "")

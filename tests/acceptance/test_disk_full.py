"""A full disk: new work is refused with a clear error, nothing that was accepted is lost, and freeing space is all it takes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.product import Product
from tests.acceptance.receipts import Receipt
from tests.eventually import eventually_sync

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("product")]

SIZE_MB = 128
BLOCK = bytes(2**20)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, of 128 MB."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-t-"))
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0711", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(
            "NOT TESTED: what happens on a full disk. Mounting a small tmpfs needs root and the right to mount."
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (BLOCK, bytes(4096), b"\0"):
            try:
                while True:
                    if file.write(block) < len(block):
                        break
            except OSError:
                continue
    return filler


def test_nothing_accepted_is_lost(small_disk: Path, receipts: list[Receipt]) -> None:
    product = Product(small_disk)
    try:
        product.up()
        accepted: set[str] = set()
        with product.client() as api:
            files = {"file": (receipts[0].file.name, receipts[0].file.read_bytes())}
            document = api.post("/v1/documents", files=files).raise_for_status().json()["id"]
            body = {"automation": "expenses", "input": {"documents": [{"id": document}]}}

            def submit() -> int:
                answered = api.post("/v1/tasks", json=body, headers={"idempotency-key": str(uuid.uuid4())})
                if answered.status_code == 202:
                    accepted.add(answered.json()["id"])
                else:
                    assert answered.status_code in (503, 507), answered.text
                    assert answered.json()["detail"]
                return answered.status_code

            assert submit() == 202
            filler = fill(small_disk)
            upload = api.post("/v1/documents", files={"file": ("x.jpg", receipts[3].file.read_bytes())})
            assert upload.status_code in (503, 507), upload.text
            eventually_sync(lambda: submit() != 202, 60, message="a submission to be refused")
            filler.unlink()
            eventually_sync(lambda: product.runs() and submit() == 202, 60, message="a submission to be accepted again")
            ended = ("succeeded", "waiting", "cancelled")

            def settled() -> bool:
                return all(api.get(f"/v1/tasks/{one}").json()["state"] in ended for one in accepted)

            eventually_sync(settled, 90, message="every accepted task to end or to ask a person")
        assert product.json("audit", "verify")["ok"] is True
    finally:
        product.down()
    assert product.left_behind() == []

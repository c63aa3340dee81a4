"""Evidence packs: what an auditor takes away."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from interlock.api.audit import FilterDep
from interlock.api.auth import CallerDep
from interlock.api.problems import responses
from interlock.app import evidence_materials
from interlock.governance import ask

router = APIRouter(prefix="/v1/evidence", tags=["audit"])
PIECE_BYTES: Final = 1 << 18
PACK: Final = "application/octet-stream"  # not application/zip, of which client generators know nothing


@router.get(
    "",
    operation_id="export_evidence",
    response_class=StreamingResponse,
    responses={
        **responses(404, 413),
        200: {
            "content": {PACK: {"schema": {"type": "string", "format": "binary"}}},
            "description": "The pack, a zip file.",
        },
    },
    summary="Export an evidence pack",
)
async def export_evidence(caller: CallerDep, matching: FilterDep) -> StreamingResponse:
    """Give the matching records with proofs, keys, checkpoints, witness statements, policies, and a verifier that runs offline."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    app = caller.app
    out: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever sends it
    try:
        await app.evidence.write(
            caller.tenant, matching, await evidence_materials(app, caller.tenant), at=app.clock.now(), out=out
        )
    except BaseException:
        out.close()
        raise
    size = out.tell()
    headers = {"content-disposition": 'attachment; filename="evidence.zip"', "content-length": str(size)}
    return StreamingResponse(_pieces(out), media_type=PACK, headers=headers)


async def _pieces(out: BinaryIO) -> AsyncIterator[bytes]:
    with out:
        out.seek(0)
        while piece := await asyncio.to_thread(out.read, PIECE_BYTES):
            yield piece

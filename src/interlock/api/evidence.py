"""Evidence packs: what an auditor takes away."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from interlock.api.audit import FilterDep
from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.app import App
from interlock.domain import canonical
from interlock.governance import ask, model_exports
from interlock.governance.evidence import Materials

router = APIRouter(prefix="/v1/evidence", tags=["audit"], route_class=KnownParametersRoute)
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
    """Give the matching records with proofs, keys, checkpoints, witness statements, policies, models, and a verifier that runs offline."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    app = caller.app
    out: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by whoever sends it
    try:
        await app.evidence.write(
            caller.tenant, matching, await _materials(app, caller.tenant), at=app.clock.now(), out=out
        )
    except BaseException:
        out.close()
        raise
    size = out.tell()
    headers = {"content-disposition": 'attachment; filename="evidence.zip"', "content-length": str(size)}
    return StreamingResponse(_pieces(out), media_type=PACK, headers=headers)


async def _materials(app: App, tenant: str) -> Materials:
    """Gather what a pack holds beside the log: policies now and before, models, the roots of timestamps."""
    roots = None
    if app.settings.audit_tsa_roots is not None:
        with contextlib.suppress(OSError):  # without them the pack's reader needs their own, and says so
            roots = app.settings.audit_tsa_roots.read_bytes()
    cards = {
        (registered.name, f"{model.card.name}.toml"): (model.folder / "model.toml").read_text(encoding="utf-8")
        for registered in app.automations
        for model in registered.models.values()
    }
    return Materials(
        policies=await app.policy_changes.sources(tenant),
        models=cards | await _models_on_record(app, tenant),
        tsa_roots=roots,
    )


async def _models_on_record(app: App, tenant: str) -> dict[tuple[str, str], str]:
    """Give card, bill of materials and signed statement of each model version on record, by automation and file."""
    found: dict[tuple[str, str], str] = {}
    keys = canonical.dumps([key.public_key.hex() for key in await app.models.keys(tenant)]).decode()
    for version, acts in await app.models.on_record(tenant):
        described = version.described
        folder = f"{described.model}-{described.digest[:12]}"
        bom = model_exports.bom(
            described, acts, state=version.state, made_at=app.clock.now(), product=app.models.product
        )
        card = model_exports.card_markdown(described, acts, state=version.state, prose=app.models.prose(version))
        found[described.automation, f"{folder}/card.md"] = card
        found[described.automation, f"{folder}/bom.json"] = canonical.dumps(bom).decode()
        if version.envelope is not None:
            found[described.automation, f"{folder}/statement.json"] = version.envelope
            found[described.automation, f"{folder}/keys.json"] = keys
    return found


async def _pieces(out: BinaryIO) -> AsyncIterator[bytes]:
    with out:
        out.seek(0)
        while piece := await asyncio.to_thread(out.read, PIECE_BYTES):
            yield piece

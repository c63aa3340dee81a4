"""The audit log, as one tenant may read it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from interlock.api import pages
from interlock.api.auth import CallerDep
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import TEXT_CHARS_MAX, At
from interlock.domain.errors import NotFound
from interlock.governance import ask

router = APIRouter(prefix="/v1/audit", tags=["audit"])

_CURSOR = "audit"


class AuditRecord(BaseModel):
    """A record at its place in the log."""

    position: int = Field(description="From 0, gap-free over the whole deployment.")
    task_id: str | None
    facts: dict[str, Any] = Field(description="The leaf, read as JSON. It holds no personal data.")
    leaf: str = Field(description="Exactly the text that is hashed (RFC 6962, leaf).")
    leaf_hash: str = Field(description="SHA-256 (hex).")


class AuditPage(BaseModel):
    """A page of records, oldest first."""

    items: list[AuditRecord]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class AuditCheckpoint(BaseModel):
    """A signed statement of the whole log."""

    size: int = Field(description="How many records it covers, over all tenants.")
    root: str = Field(description="Root of the Merkle tree (hex).")
    note: str = Field(description="C2SP signed note.")
    at: At


@router.get(
    "/records",
    operation_id="list_audit_records",
    response_model=AuditPage,
    responses=responses(),
    summary="List audit records, oldest first",
)
async def list_audit_records(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    task_id: Annotated[str | None, Query(max_length=TEXT_CHARS_MAX)] = None,
) -> AuditPage:
    """List the tenant's records that have a position; those of the last moment follow within the sequencing interval."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max)
    after = pages.after_number(_CURSOR, cursor)
    found = await caller.app.audit_records.read(
        caller.tenant, after=-1 if after is None else after, task_id=task_id, limit=count + 1
    )
    shown = found[:count]
    return AuditPage(
        items=[
            AuditRecord(position=r.position, task_id=r.task_id, facts=r.facts, leaf=r.leaf, leaf_hash=r.leaf_hash.hex())
            for r in shown
        ],
        next_cursor=pages.encode(_CURSOR, shown[-1].position) if len(found) > count else None,
    )


@router.get(
    "/checkpoints/latest",
    operation_id="get_latest_checkpoint",
    response_model=AuditCheckpoint,
    responses=responses(404),
    summary="Get the newest signed checkpoint",
)
async def get_latest_checkpoint(caller: CallerDep) -> AuditCheckpoint:
    """Give the newest signed checkpoint; keep it elsewhere, and nobody can change the past unnoticed."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    found = await caller.app.audit_records.latest_checkpoint(caller.tenant)
    if found is None:
        raise NotFound(
            "There is no checkpoint yet.", fix="Wait for the relay's first one, a second after the first record."
        )
    return AuditCheckpoint(size=found.size, root=found.root.hex(), note=found.note, at=found.at)

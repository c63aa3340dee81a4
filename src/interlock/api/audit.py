"""The audit log, as one tenant may read it: records, checkpoints, keys, proofs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from interlock.api import pages
from interlock.api.auth import Caller, CallerDep
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.api.values import TEXT_CHARS_MAX, At, Json
from interlock.domain.errors import InvalidInput, NotFound
from interlock.governance import ask
from interlock.governance.audit_records import Filter, SignedCheckpoint
from interlock.governance.proofs import Signed

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=KnownParametersRoute)

_CURSOR = "audit"
_NEWEST = "audit-newest"
_CHECKPOINTS = "audit-checkpoints"
_POSITION_MAX = 2**62
Text = Annotated[str | None, Query(max_length=TEXT_CHARS_MAX, pattern=r"^[^\x00]*$")]


def audit_filter(
    task_id: Text = None,
    correlation_id: Text = None,
    automation: Text = None,
    person: Annotated[
        str | None,
        Query(
            max_length=TEXT_CHARS_MAX,
            pattern=r"^[^\x00]*$",
            description="Whom a task is about, who submitted it, who acted in its reviews, whose document or key it is.",
        ),
    ] = None,
    kind: Annotated[str | None, Query(max_length=64, pattern=r"^[a-z._-]+$", description="Such as `effect`.")] = None,
    since: Annotated[datetime | None, Query(description="From this time on, with a time zone.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time, with a time zone.")] = None,
) -> Filter:
    """Read the filter of a list of records, or of an evidence pack."""
    for name, at in (("since", since), ("until", until)):
        if at is not None and (at.tzinfo is None or not 1970 <= at.year <= 9998):
            raise InvalidInput(
                f"{name} has no time zone, or is no time of this log.", fix="Write 2026-03-01T00:00:00Z."
            )
    return Filter(
        task=task_id,
        correlation=correlation_id,
        automation=automation,
        person=person,
        kind=kind,
        since=since,
        until=until,
    )


FilterDep = Annotated[Filter, Depends(audit_filter)]


class AuditRecord(BaseModel):
    """A record at its place in the log."""

    position: int = Field(description="From 0, gap-free over the whole deployment.")
    task_id: str | None
    facts: dict[str, Any] = Field(description="The leaf, read as JSON. It holds no personal data.")
    leaf: str = Field(description="Exactly the text that is hashed (RFC 6962, leaf).")
    leaf_hash: str = Field(description="SHA-256 (hex).")
    by: str | None = Field(
        None,
        description="Who holds the key that the leaf names; it stands beside the log, and is null for who may not list keys.",
    )


class AuditFieldChange(BaseModel):
    """A value before a record and after it."""

    field: str = Field(description="As the leaf names it; of policies `set`, then their files.")
    before: Json = Field(None, description="Null where there was none.")
    after: Json = Field(None, description="Null where there is none.")


class AuditRecordChanges(BaseModel):
    """What a record changed of what it is about."""

    position: int
    since: int | None = Field(
        description="Position of the record that said how it stood before; null where this is the first."
    )
    about: str | None = Field(
        description="Whose account, key, view, delegation or elevation it is; null for who may not list them."
    )
    items: list[AuditFieldChange] = Field(description="Empty where a record changes nothing, such as a refusal.")


class AuditPage(BaseModel):
    """A page of records, in the order that was asked for."""

    items: list[AuditRecord]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class AuditCheckpoint(BaseModel):
    """A signed statement of the whole log."""

    size: int = Field(description="How many records it covers, over all tenants.")
    root: str = Field(description="Root of the Merkle tree (hex).")
    note: str = Field(description="C2SP signed note.")
    at: At
    witnesses: list[str] = Field(default_factory=list, description="Who has stated it.")


class AuditCheckpointPage(BaseModel):
    """A page of checkpoints, newest first."""

    items: list[AuditCheckpoint]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class AuditTreeHead(BaseModel):
    """A signed root that a proof leads to."""

    size: int
    root: str = Field(description="Hex.")
    note: str = Field(description="C2SP signed note.")


class AuditProof(BaseModel):
    """A proof by RFC 9162: inclusion of a record (section 2.1.3), or consistency of two trees (section 2.1.4)."""

    kind: str = Field(description="`inclusion` or `consistency`.")
    position: int | None = Field(None, description="Inclusion: of the record.")
    leaf: str | None = Field(None, description="Inclusion: the text that is hashed.")
    leaf_hash: str | None = Field(None, description="Inclusion: its hash (hex).")
    old: AuditTreeHead | None = Field(None, description="Consistency: the older tree.")
    checkpoint: AuditTreeHead = Field(description="The tree that the hashes lead to.")
    hashes: list[str] = Field(description="Hex, from the leaf up.")


class AuditKeyInfo(BaseModel):
    """A public key that signs, or signed, checkpoints."""

    number: int
    verifier_key: str = Field(description="`NAME+ID+KEY` (C2SP signed-note).")
    from_size: int = Field(description="It signs the checkpoints over this size.")
    to_size: int | None = Field(description="Up to this size; null for the key that signs now.")
    introduction: str | None = Field(description="Signed note by the key before and by itself; null for the first.")


class AuditKeyList(BaseModel):
    """Every key of the log, oldest first."""

    origin: str = Field(description="Name of the log, the first line of its checkpoints.")
    items: list[AuditKeyInfo]


@router.get(
    "/records",
    operation_id="list_audit_records",
    response_model=AuditPage,
    responses=responses(),
    summary="List audit records",
)
async def list_audit_records(
    caller: CallerDep,
    matching: FilterDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    newest: Annotated[
        bool, Query(description="Newest first; else oldest first. A cursor goes on in the order that it was given in.")
    ] = False,
) -> AuditPage:
    """List the tenant's records that have a position; those of the last moment follow within the sequencing interval."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max)
    of = _NEWEST if newest else _CURSOR
    found = await caller.app.audit_records.read(
        caller.tenant,
        beyond=pages.after_number(of, cursor),
        newest=newest,
        matching=matching,
        limit=count + 1,
        people=_may_see_people(caller),
    )
    shown = found[:count]
    return AuditPage(
        items=[
            AuditRecord(
                position=r.position,
                task_id=r.task_id,
                facts=r.facts,
                leaf=r.leaf,
                leaf_hash=r.leaf_hash.hex(),
                by=r.by,
            )
            for r in shown
        ],
        next_cursor=pages.encode(of, shown[-1].position) if len(found) > count else None,
    )


@router.get(
    "/records/{position}/changes",
    operation_id="get_audit_changes",
    response_model=AuditRecordChanges,
    responses=responses(404),
    summary="Get the values before and after a record",
)
async def get_audit_changes(
    caller: CallerDep, position: Annotated[int, Path(ge=0, le=_POSITION_MAX)]
) -> AuditRecordChanges:
    """Say what a record of an account, a key, a secret, a provider, a delegation, a view, a model or of policies changed, field by field.

    Both sides are told from the log: from this record and those before it about the same thing. Texts of policies are read beside it, for who
    may read policies. What a review's answer changed stands with the review.
    """
    caller.require("audit.read", ask.audit_log(caller.tenant))
    found = await caller.app.audit_records.changes.of(
        caller.tenant,
        position,
        people=_may_see_people(caller),
        policies=caller.may("policy.read", ask.policy(caller.tenant)),
    )
    return AuditRecordChanges(
        position=found.position,
        since=found.since,
        about=found.about,
        items=[AuditFieldChange(field=one.field, before=one.before, after=one.after) for one in found.items],
    )


@router.get(
    "/checkpoints",
    operation_id="list_audit_checkpoints",
    response_model=AuditCheckpointPage,
    responses=responses(),
    summary="List signed checkpoints, newest first",
)
async def list_audit_checkpoints(
    caller: CallerDep, cursor: Cursor = None, limit: Limit = LIMIT_DEFAULT
) -> AuditCheckpointPage:
    """List the signed checkpoints of the whole log, each with the witnesses that have stated it."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    count = min(limit, caller.app.settings.list_page_size_max)
    below = pages.after_number(_CHECKPOINTS, cursor)
    found = await caller.app.audit_records.checkpoints(caller.tenant, below=below, limit=count + 1)
    shown = found[:count]
    return AuditCheckpointPage(
        items=[_checkpoint(one) for one in shown],
        next_cursor=pages.encode(_CHECKPOINTS, shown[-1].size) if len(found) > count else None,
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
    found = await caller.app.audit_records.checkpoints(caller.tenant, limit=1)
    if not found:
        raise NotFound(
            "There is no checkpoint yet.", fix="Wait for the relay's first one, a second after the first record."
        )
    return _checkpoint(found[0])


@router.get(
    "/keys",
    operation_id="list_audit_keys",
    response_model=AuditKeyList,
    responses=responses(),
    summary="List the public keys of the audit log",
)
async def list_audit_keys(caller: CallerDep) -> AuditKeyList:
    """List the key that signs checkpoints and those that did, each with its introduction by the one before."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    ring = await caller.app.audit_records.keys(caller.tenant)
    ends = [key.from_size for key in ring.keys[1:]]
    return AuditKeyList(
        origin=ring.origin,
        items=[
            AuditKeyInfo(
                number=key.number,
                verifier_key=ring.verifier(key),
                from_size=key.from_size,
                to_size=end,
                introduction=key.introduction,
            )
            for key, end in zip(ring.keys, [*ends, None], strict=True)
        ],
    )


@router.get(
    "/proofs",
    operation_id="get_audit_proof",
    response_model=AuditProof,
    responses=responses(404),
    summary="Prove that a record is in the log, or that one checkpoint continues another",
)
async def get_audit_proof(
    caller: CallerDep,
    position: Annotated[int | None, Query(ge=0, le=_POSITION_MAX, description="Inclusion: of a record.")] = None,
    size: Annotated[
        int | None, Query(ge=1, le=_POSITION_MAX, description="Inclusion: of the checkpoint; unset: the newest.")
    ] = None,
    from_: Annotated[
        int | None,
        Query(alias="from", ge=1, le=_POSITION_MAX, description="Consistency: size of the older checkpoint."),
    ] = None,
    to: Annotated[
        int | None, Query(ge=1, le=_POSITION_MAX, description="Consistency: of the newer one; unset: the newest.")
    ] = None,
) -> AuditProof:
    """Give the proof by RFC 9162, checked against the signed root before it is given. Ask by `position`, or by `from`."""
    caller.require("audit.read", ask.audit_log(caller.tenant))
    if (position is None) == (from_ is None) or (position is None and size is not None) or (from_ is None and to):
        raise InvalidInput(
            "A proof is of a position, or from one size to another.", fix="Send position, or from and to."
        )
    if position is not None:
        found = await caller.app.proofs.inclusion(caller.tenant, position, size=size)
        return AuditProof(
            kind="inclusion",
            position=position,
            leaf=found.leaf,
            leaf_hash=found.leaf_hash.hex(),
            checkpoint=_head(found.checkpoint),
            hashes=[one.hex() for one in found.proof],
        )
    assert from_ is not None
    both = await caller.app.proofs.consistency(caller.tenant, from_, to)
    return AuditProof(
        kind="consistency", old=_head(both.old), checkpoint=_head(both.new), hashes=[one.hex() for one in both.proof]
    )


def _may_see_people(caller: Caller) -> bool:
    system = ask.system(caller.tenant)
    return caller.may("key.list", system) and caller.may("account.list", system)


def _checkpoint(one: SignedCheckpoint) -> AuditCheckpoint:
    return AuditCheckpoint(size=one.size, root=one.root.hex(), note=one.note, at=one.at, witnesses=list(one.witnesses))


def _head(signed: Signed) -> AuditTreeHead:
    return AuditTreeHead(size=signed.size, root=signed.root.hex(), note=signed.note)

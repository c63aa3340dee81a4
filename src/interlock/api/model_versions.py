"""Model versions: register, evaluate, approve, release, retire, go back; their signed statements, bills of materials and cards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.api import pages
from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.pages import LIMIT_DEFAULT, Cursor, Limit
from interlock.api.problems import responses
from interlock.api.values import TEXT_CHARS_MAX, At
from interlock.domain import canonical
from interlock.governance import ask, model_exports
from interlock.governance.model_statement import Act
from interlock.orchestration.model_rows import ModelKey, Version

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)

_CURSOR = "model-versions"
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a model version.")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=63)]
Note = Annotated[
    str, Field(max_length=2_000, description="Why, for whoever reads the record. Part of the signed statement.")
]
State = Literal["registered", "evaluated", "approved", "released", "retired", "rejected"]
METRICS_MAX = 200


class ModelNote(BaseModel):
    """What is said about a step."""

    model_config = ConfigDict(extra="forbid")

    note: Note = ""


class ModelRegistration(ModelNote):
    """Which model's version is put on record: the one that is deployed here."""

    automation: Name
    model: Name


class ModelEvaluation(ModelNote):
    """How good a version was measured to be. Without metrics, what its model.toml states under [measured]."""

    data: str = Field("", max_length=500, description="What it was measured on.")
    metrics: dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], float | int | str] = Field(
        default_factory=dict, max_length=METRICS_MAX, description="Value by name.", examples=[{"total_right": 0.975}]
    )


class ModelRejection(BaseModel):
    """Why a version is turned down."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=2_000)


class ModelKeyRotation(BaseModel):
    """What becomes of the keys before."""

    model_config = ConfigDict(extra="forbid")

    revoke: bool = Field(
        False, description="Nothing that earlier keys signed serves any more, until it is released again."
    )


class ModelVersionSummary(BaseModel):
    """A model version on record."""

    number: int
    automation: str
    model: str
    version: str
    digest: str = Field(description="SHA-256 (hex) over the names and bytes of its files.")
    label: str = Field(description="As outcomes name it.")
    state: State
    origin: Literal["registered", "shipped"] = Field(description="shipped: it came with the product.")
    created_at: At
    changed_at: At


class ModelAct(BaseModel):
    """Something that was done with a version."""

    number: int
    kind: State
    by: str
    at: At
    note: str
    facts: dict[str, Any] = Field(description="Of an evaluation: data and metrics.")


class ModelVersionView(ModelVersionSummary):
    """A model version with everything that is known of it."""

    files: dict[str, str] = Field(description="SHA-256 (hex) by path in the model's folder.")
    card: dict[str, Any] = Field(description="model.toml.")
    acts: list[ModelAct] = Field(description="Oldest first.")
    envelope: dict[str, Any] | None = Field(
        description="The signed statement (in-toto Statement v1 in a DSSE envelope) of its last release."
    )


class ModelVersionPage(BaseModel):
    """A page of model versions, newest first."""

    items: list[ModelVersionSummary]
    next_cursor: str | None = Field(None, description="Null on the last page.")


class ModelCardView(BaseModel):
    """A model card: for people, and the same facts for machines."""

    markdown: str
    facts: ModelVersionView


class ModelKeyView(BaseModel):
    """A public key that statements are signed with."""

    number: int
    id: str = Field(description="As envelopes name it: SHA-256 (hex) of the key.")
    public_key: str = Field(description="Ed25519, 32 bytes as hex.")
    created_by: str
    created_at: At
    revoked_by: str | None
    revoked_at: At | None


class ModelKeys(BaseModel):
    """Every key, oldest first."""

    items: list[ModelKeyView]


@router.get(
    "/versions",
    operation_id="list_model_versions",
    response_model=ModelVersionPage,
    responses=responses(),
    summary="List model versions, newest first",
)
async def list_model_versions(
    caller: CallerDep,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
    automation: Annotated[
        str | None,
        Query(max_length=TEXT_CHARS_MAX, pattern=r"^[^\x00]*$", description="Only those of this automation."),
    ] = None,
) -> ModelVersionPage:
    """List the model versions that are on record, and how each stands."""
    caller.require("model.list", ask.system(caller.tenant))
    size = min(limit, caller.app.settings.list_page_size_max)
    before = pages.after_number(_CURSOR, cursor)
    found = await caller.app.models.page(caller.tenant, before=before, limit=size + 1, automation=automation)
    more = pages.encode(_CURSOR, found[size - 1].number) if len(found) > size else None
    return ModelVersionPage(items=[_summary(one) for one in found[:size]], next_cursor=more)


@router.post(
    "/versions",
    operation_id="register_model_version",
    status_code=201,
    response_model=ModelVersionSummary,
    responses=responses(413),
    summary="Register the version that is deployed",
)
async def register_model_version(caller: CallerDep, body: ModelRegistration) -> ModelVersionSummary:
    """Put a version on record, with the digest of each of its files. One that is there already is given as it is."""
    found = await caller.app.models.register(caller.principal, body.automation, body.model, note=body.note)
    return _summary(found)


@router.get(
    "/versions/{number}",
    operation_id="get_model_version",
    response_model=ModelVersionView,
    responses=responses(404),
    summary="Get a model version",
)
async def get_model_version(caller: CallerDep, number: Number) -> ModelVersionView:
    """Give everything that is known of a version: its files, its card, who did what, and its signed statement."""
    return _view(*await caller.app.models.get(caller.principal, number))


@router.get(
    "/versions/{number}/card",
    operation_id="get_model_card",
    response_model=ModelCardView,
    responses=responses(404),
    summary="Get a version's model card",
)
async def get_model_card(caller: CallerDep, number: Number) -> ModelCardView:
    """Give the model card: as Markdown for people, and its facts. The version's own card.md is in it while that version is deployed."""
    version, acts = await caller.app.models.get(caller.principal, number)
    prose = caller.app.models.prose(version)
    text = model_exports.card_markdown(version.described, acts, state=version.state, prose=prose)
    return ModelCardView(markdown=text, facts=_view(version, acts))


@router.get(
    "/versions/{number}/bom",
    operation_id="get_model_bom",
    response_model=dict[str, Any],
    responses=responses(404),
    summary="Get a version's ML-BOM",
)
async def get_model_bom(caller: CallerDep, number: Number) -> dict[str, Any]:
    """Give the bill of materials, CycloneDX 1.6: the model with its files, metrics and licence, and the data that it was made from."""
    version, acts = await caller.app.models.get(caller.principal, number)
    app = caller.app
    return model_exports.bom(
        version.described, acts, state=version.state, made_at=app.clock.now(), product=app.models.product
    )


@router.post(
    "/versions/{number}:evaluate",
    operation_id="evaluate_model_version",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Put an evaluation on record",
)
async def evaluate_model_version(caller: CallerDep, number: Number, body: ModelEvaluation) -> ModelVersionSummary:
    """Say how good a version was measured to be, and on which data. May be repeated until it is approved; the last one counts."""
    found = await caller.app.models.evaluate(
        caller.principal, number, data=body.data, metrics=body.metrics, note=body.note
    )
    return _summary(found)


@router.post(
    "/versions/{number}:approve",
    operation_id="approve_model_version",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Approve a version",
)
async def approve_model_version(caller: CallerDep, number: Number, body: ModelNote) -> ModelVersionSummary:
    """Approve an evaluated version. Who registered or evaluated it may not."""
    return _summary(await caller.app.models.approve(caller.principal, number, note=body.note))


@router.post(
    "/versions/{number}:reject",
    operation_id="reject_model_version",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Turn a version down",
)
async def reject_model_version(caller: CallerDep, number: Number, body: ModelRejection) -> ModelVersionSummary:
    """Turn a version down before it is released. It can be registered again."""
    return _summary(await caller.app.models.reject(caller.principal, number, reason=body.reason))


@router.post(
    "/versions/{number}:release",
    operation_id="release_model_version",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Release a version",
)
async def release_model_version(caller: CallerDep, number: Number, body: ModelNote) -> ModelVersionSummary:
    """Sign an approved version's statement; it may serve within a second. One that was retired is released again."""
    return _summary(await caller.app.models.release(caller.principal, number, note=body.note))


@router.post(
    "/versions/{number}:retire",
    operation_id="retire_model_version",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Retire a version",
)
async def retire_model_version(caller: CallerDep, number: Number, body: ModelNote) -> ModelVersionSummary:
    """Let a version serve no more, everywhere within a second."""
    return _summary(await caller.app.models.retire(caller.principal, number, note=body.note))


@router.post(
    "/versions/{number}:rollback",
    operation_id="roll_model_version_back",
    response_model=ModelVersionSummary,
    responses=responses(404, 409, 413),
    summary="Go back to the version before",
)
async def roll_model_version_back(caller: CallerDep, number: Number, body: ModelNote) -> ModelVersionSummary:
    """Retire a version and release the one again that was released before it; gives that one. It answers where it is deployed."""
    return _summary(await caller.app.models.roll_back(caller.principal, number, note=body.note))


@router.get(
    "/keys",
    operation_id="list_model_keys",
    response_model=ModelKeys,
    responses=responses(),
    summary="List the keys that statements are signed with",
)
async def list_model_keys(caller: CallerDep) -> ModelKeys:
    """Give the public keys, so that statements can be verified elsewhere."""
    caller.require("model.list", ask.system(caller.tenant))
    return ModelKeys(items=[_key(one) for one in await caller.app.models.keys(caller.tenant)])


@router.post(
    "/keys:rotate",
    operation_id="rotate_model_key",
    status_code=201,
    response_model=ModelKeyView,
    responses=responses(413),
    summary="Make the next signing key",
)
async def rotate_model_key(caller: CallerDep, body: ModelKeyRotation) -> ModelKeyView:
    """Make the key that statements are signed with from now on; with `revoke`, what earlier ones signed no longer counts."""
    caller.require("model-key.rotate", ask.system(caller.tenant))
    return _key(await caller.app.models.rotate_key(caller.principal, revoke=body.revoke))


def _summary(version: Version) -> ModelVersionSummary:
    return ModelVersionSummary(**_facts(version))


def _facts(version: Version) -> dict[str, Any]:
    described = version.described
    return {
        "number": version.number,
        "automation": described.automation,
        "model": described.model,
        "version": described.version,
        "digest": described.digest,
        "label": version.label,
        "state": version.state,
        "origin": described.origin,
        "created_at": version.created_at,
        "changed_at": version.changed_at,
    }


def _view(version: Version, acts: list[Act]) -> ModelVersionView:
    return ModelVersionView(
        **_facts(version),
        files=dict(version.described.files),
        card=dict(version.described.card),
        acts=[ModelAct(**{name: getattr(act, name) for name in ModelAct.model_fields}) for act in acts],
        envelope=None if version.envelope is None else canonical.loads(version.envelope),
    )


def _key(key: ModelKey) -> ModelKeyView:
    found = {name: getattr(key, name) for name in ModelKeyView.model_fields if name != "public_key"}
    return ModelKeyView(**found, public_key=key.public_key.hex())

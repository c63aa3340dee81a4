"""What people do with model versions: register, evaluate, approve, release, retire, go back. Each is one transaction with its audit leaf.

    registered → evaluated → approved → released ⇄ retired        (and rejected, from before the release)

Who approves is another person than those who registered and evaluated (four eyes), unless the tenant has a single key. With each
release the version's statement is signed anew, so it holds who approved and when. Going back to a version that was released once takes
one person: it was approved, and it is what is needed in a hurry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any, Final

from interlock.domain import canonical
from interlock.domain.decisions import Entity
from interlock.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from interlock.governance import ask, audit, model_statement
from interlock.governance.audit import SubjectKeys
from interlock.governance.identity import Principal
from interlock.governance.model_statement import Act, Described
from interlock.governance.tenant_policies import TenantPolicies
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.infra.keys import Keys
from interlock.orchestration import model_rows as rows
from interlock.orchestration.automations import Automations
from interlock.orchestration.model_rows import ModelKey, Version
from interlock.orchestration.review_rights import persons_behind
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key
from interlock.serving import registry
from interlock.serving.registry import ModelVersion

CARD_FILE: Final = "card.md"
EXPORTED_MAX: Final = 200
INSTALLATION: Final = "interlock"
VERBS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    # verb → the state that it leads to, and from which ones
    "evaluate": ("evaluated", frozenset({"registered", "evaluated"})),
    "approve": ("approved", frozenset({"evaluated"})),
    "reject": ("rejected", frozenset({"registered", "evaluated", "approved"})),
    "release": ("released", frozenset({"approved", "retired"})),
    "retire": ("retired", frozenset({"released"})),
    "rollback": ("retired", frozenset({"released"})),
}
NEXT: Final = {
    "registered": "evaluate",
    "evaluated": "approve",
    "approved": "release",
    "released": "retire",
    "retired": "release",
    "rejected": "register",
}


class ModelVersions:
    """The verbs. A version that is released serves within a second, and one that is retired no longer does, in every process."""

    def __init__(
        self,
        *,
        database: Database,
        automations: Automations,
        policies: TenantPolicies,
        keys: SubjectKeys,
        signing: Keys,
        clock: Clock,
        product: str,
    ) -> None:
        self._database = database
        self._automations = automations
        self._policies = policies
        self._keys = keys
        self._signing = signing
        self._clock = clock
        self.product = product

    async def page(
        self, tenant: str, *, before: int | None = None, limit: int, automation: str | None = None
    ) -> list[Version]:
        """List versions, newest first; of one automation, if that is named."""
        async with self._database.tenant(tenant) as conn:
            return await rows.page(conn, tenant, before=before, limit=limit, automation=automation)

    async def on_record(self, tenant: str) -> list[tuple[Version, list[Act]]]:
        """Give the newest versions with what was done with each, for an export."""
        async with self._database.tenant(tenant) as conn:
            found = await rows.page(conn, tenant, before=None, limit=EXPORTED_MAX)
            return [(version, await rows.acts(conn, version.number)) for version in found]

    async def get(self, principal: Principal, number: int) -> tuple[Version, list[Act]]:
        """Give a version with what was done with it. Raises NotFound, Refused."""
        async with self._database.tenant(principal.tenant) as conn:
            version = await rows.get(conn, principal.tenant, number)
            self._require(principal, "model.read", version.described)
            return version, await rows.acts(conn, number)

    def prose(self, version: Version) -> str | None:
        """Give a version's own `card.md`; None where it has none, or is not what is deployed here."""
        found = version.described
        if found.automation not in self._automations.names:
            return None
        deployed = self._automations.get(found.automation).models.get(found.model)
        if deployed is None or deployed.digest != found.digest:
            return None
        file = deployed.folder / CARD_FILE
        return file.read_text(encoding="utf-8") if CARD_FILE in found.files and file.is_file() else None

    async def register(self, principal: Principal, automation: str, model: str, *, note: str = "") -> Version:
        """Put the version of a model that is deployed here on record. One that is there already is given as it is; a rejected one begins again.

        Raises:
            InvalidInput: there is no such automation or model.
        """
        described = self._described(principal.tenant, automation, model)
        self._require(principal, "model.register", described)
        async with self._locked(principal.tenant) as conn:
            found = await rows.find(conn, principal.tenant, automation, model, described.digest)
            if found is not None and found.state != "rejected":
                return found
            number = await rows.insert(conn, described) if found is None else found.number
            return await self._do(conn, principal, number, "registered", note=note)

    async def evaluate(
        self,
        principal: Principal,
        number: int,
        *,
        data: str = "",
        metrics: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> Version:
        """Put on record how good a version was measured to be, and on which data; by default what its `model.toml` states.

        Raises:
            NotFound, Refused, Conflict. InvalidInput: nothing was measured.
        """
        async with self._locked(principal.tenant) as conn:
            version = await self._about(conn, principal, number, "evaluate")
            stated = version.described.card.get("measured", {})
            facts = {"data": data, "metrics": dict(metrics)} if metrics else _stated(stated)
            if not facts["metrics"]:
                raise InvalidInput(
                    f"Nothing is said of how good {version.label} is.",
                    fix="Give metrics, or let model.toml state them under [measured].",
                    fields=[FieldError(pointer="/metrics", detail="missing", kind="missing")],
                )
            return await self._do(conn, principal, number, "evaluated", note=note, facts=facts)

    async def approve(self, principal: Principal, number: int, *, note: str = "") -> Version:
        """Approve a version. Raises NotFound, Conflict; Refused for who registered or evaluated it."""
        return await self._step(principal, number, "approve", note)

    async def reject(self, principal: Principal, number: int, *, reason: str) -> Version:
        """Turn a version down; it can be registered again. Raises NotFound, Refused, Conflict."""
        return await self._step(principal, number, "reject", reason)

    async def release(self, principal: Principal, number: int, *, note: str = "") -> Version:
        """Sign a version's statement, and let it serve; also one that was retired. Raises NotFound, Refused, Conflict."""
        return await self._step(principal, number, "release", note)

    async def retire(self, principal: Principal, number: int, *, note: str = "") -> Version:
        """Let a version serve no more. Raises NotFound, Refused, Conflict."""
        return await self._step(principal, number, "retire", note)

    async def roll_back(self, principal: Principal, number: int, *, note: str = "") -> Version:
        """Retire a version and release the one again that was retired last; gives that one.

        Raises:
            NotFound: no other version of the model was released before. Refused, Conflict.
        """
        async with self._locked(principal.tenant) as conn:
            version = await self._about(conn, principal, number, "rollback")
            earlier = await rows.retired_before(conn, principal.tenant, version)
            if earlier is None:
                raise NotFound(
                    f"No other version of {version.described.model} was released before {version.label}.",
                    fix="Retire it with `interlock model retire`; then nothing serves.",
                )
            await self._do(conn, principal, number, "retired", note=note)
            return await self._do(conn, principal, earlier.number, "released", note=note)

    async def keys(self, tenant: str) -> list[ModelKey]:
        """Give the public keys that statements are signed with, oldest first."""
        async with self._database.tenant(tenant) as conn:
            return await rows.keys(conn)

    async def rotate_key(self, principal: Principal, *, revoke: bool = False) -> ModelKey:
        """Make the next signing key; gives it. With `revoke`, nothing that the earlier keys signed serves until it is released again."""
        async with self._locked(principal.tenant) as conn:
            before = [key for key in await rows.keys(conn) if key.revoked_at is None]
            made = await rows.new_key(conn, principal.tenant, self._signing, by=principal.id)
            for key in before if revoke else ():
                await rows.revoke_key(conn, key.number, by=principal.id)
                await self._leaf(
                    conn,
                    principal.tenant,
                    "model-key.revoked",
                    principal.id,
                    principal.key_id,
                    (),
                    {"model_key": key.id},
                )
            await self._leaf(
                conn, principal.tenant, "model-key.created", principal.id, principal.key_id, (), {"model_key": made.id}
            )
        return made

    async def adopt(self, tenant: str, automation: str, shipped: ModelVersion) -> Version:
        """Release a version that came with the product, in the installation's own name; one that is on record is given as it is."""
        described = describe(tenant, automation, shipped, origin="shipped")
        facts = {"product": "interlock", "product_version": self.product}
        async with self._locked(tenant) as conn:
            found = await rows.find(conn, tenant, automation, described.model, described.digest)
            if found is not None:
                return found
            number = await rows.insert(conn, described)
            await self._act(
                conn, tenant, number, "registered", INSTALLATION, None, "Came with the product", facts, alone=True
            )
            return await self._act(
                conn, tenant, number, "released", INSTALLATION, None, "Came with the product", facts, alone=True
            )

    async def adopt_shipped(self, tenant: str) -> None:
        """Release every deployed version that came with the product, as `adopt` does."""
        for registered in self._automations:
            for model in registered.models.values():
                if registry.is_shipped(registered.name, model):
                    await self.adopt(tenant, registered.name, model)

    def _described(self, tenant: str, automation: str, model: str) -> Described:
        if automation not in self._automations.names:
            known, pointer, said = self._automations.names, "/automation", f"There is no automation {automation!r}."
        else:
            models = self._automations.get(automation).models
            if model in models:
                return describe(tenant, automation, models[model], origin="registered")
            known, pointer, said = sorted(models), "/model", f"The automation {automation} has no model {model!r}."
        raise InvalidInput(
            said,
            fix=f"There are: {', '.join(known) or 'none'}.",
            fields=[FieldError(pointer=pointer, detail="not deployed here")],
        )

    async def _step(self, principal: Principal, number: int, verb: str, note: str) -> Version:
        async with self._locked(principal.tenant) as conn:
            target = VERBS[verb][0]
            version = await self._about(conn, principal, number, verb, note=note)
            if version.state == target:
                return version
            return await self._do(conn, principal, version.number, target, note=note)

    async def _about(
        self, conn: Connection, principal: Principal, number: int, verb: str, *, note: str | None = None
    ) -> Version:
        """Give a version that may be taken this step further by this person; or, where `note` is given, that this person took it to already."""
        version = await rows.get(conn, principal.tenant, number)
        acts = await rows.acts(conn, number)
        makers = [a.by for a in acts if a.kind in ("registered", "evaluated")]
        context = {
            "single_operator": principal.single_operator,
            "persons": sorted(await persons_behind(conn, [principal.id])),
        }
        self._require(
            principal,
            f"model.{verb}",
            version.described,
            context=context,
            makers=sorted(await persons_behind(conn, makers)),
        )
        target, sources = VERBS[verb]
        if note is not None and version.state == target and (acts[-1].by, acts[-1].note) == (principal.id, note):
            return version
        if version.state not in sources:
            raise Conflict(
                f"Model version {number} is {version.state}, which is not followed by {verb}.",
                fix=f"What can follow is: interlock model {NEXT[version.state]}.",
                extra={"state": version.state},
            )
        return version

    async def _do(
        self,
        conn: Connection,
        principal: Principal,
        number: int,
        kind: str,
        *,
        note: str,
        facts: Mapping[str, Any] | None = None,
    ) -> Version:
        alone = principal.single_operator and kind == "approved"
        return await self._act(
            conn, principal.tenant, number, kind, principal.id, principal.key_id, note, facts or {}, alone=alone
        )

    async def _act(
        self,
        conn: Connection,
        tenant: str,
        number: int,
        kind: str,
        by: str,
        by_key: str | None,
        note: str,
        facts: Mapping[str, Any],
        *,
        alone: bool,
    ) -> Version:
        """Write what is done, the state that it leads to, and its leaf; a release signs the statement."""
        version, before = await rows.get(conn, tenant, number), await rows.acts(conn, number)
        if len(before) >= rows.ACTS_MAX:
            raise Conflict(f"Over {rows.ACTS_MAX} things were done with this version.", fix="Register another version.")
        act = Act(
            number=len(before) + 1, kind=kind, by=by, at=self._clock.now(), note=note, facts=canonical.plain(facts)
        )
        envelope, key_id = None, None
        if kind == "released":
            private, key = await rows.signing_key(conn, tenant, self._signing, by=by)
            envelope, key_id = model_statement.sign(version.described, [*before, act], private), key.id
        await rows.add_act(conn, number, act, envelope=envelope)
        await rows.change(conn, number, state=kind)
        said = {
            "model_version": number,
            "act": act.number,
            "state": kind,
            "automation": version.described.automation,
            "model": version.label,
            "digest": version.described.digest,
            "origin": version.described.origin,
            "model_key": key_id,
            "alone": alone,
        }
        content = (note, canonical.dumps(dict(act.facts)).decode(), envelope)
        await self._leaf(conn, tenant, f"model.{kind}", by, by_key, content, said)
        return await rows.get(conn, tenant, number)

    async def _leaf(
        self,
        conn: Connection,
        tenant: str,
        kind: str,
        by: str,
        by_key: str | None,
        content: tuple[str | None, ...],
        facts: Mapping[str, Any],
    ) -> None:
        key, salt = await subject_key(conn, self._keys, tenant, by), audit.new_salt()
        said = {**facts, "by_key": by_key, "salt": salt.hex(), "commit": audit.commit(key, salt, (by, *content))}
        await log(
            conn, tenant=tenant, task_id=None, leaf=audit.leaf(kind, tenant=tenant, at=self._clock.now(), facts=said)
        )

    def _require(
        self,
        principal: Principal,
        action: str,
        described: Described,
        *,
        context: Mapping[str, Any] | None = None,
        makers: Any = (),
    ) -> None:
        bundle = self._policies.held(principal.tenant).bundle()
        ask.require(bundle, principal, action, _entity(described, makers), context=context)

    @asynccontextmanager
    async def _locked(self, tenant: str) -> AsyncIterator[Connection]:
        async with self._database.tenant(tenant) as conn:
            await rows.lock(conn, tenant)
            yield conn


def describe(tenant: str, automation: str, version: ModelVersion, *, origin: str) -> Described:
    """Give a version that is deployed as its statement describes it."""
    return Described(
        tenant=tenant,
        automation=automation,
        model=version.card.name,
        version=version.card.version,
        digest=version.digest,
        files=version.files,
        card=canonical.plain(version.card.model_dump(mode="json")),
        origin=origin,
    )


def _entity(described: Described, makers: Any) -> Entity:
    return ask.model_version(
        described.tenant,
        automation=described.automation,
        model=described.model,
        version=described.version,
        makers=makers,
    )


def _stated(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a `model.toml` states as an evaluation: its `data`, and every other entry as a metric."""
    metrics = {name: value for name, value in measured.items() if name != "data"}
    return {"data": str(measured.get("data", "")), "metrics": metrics}


def build(
    database: Database, automations: Automations, policies: TenantPolicies, keys: Keys, clock: Clock
) -> ModelVersions:
    """Build what people do with model versions."""
    return ModelVersions(
        database=database,
        automations=automations,
        policies=policies,
        keys=SubjectKeys(keys.subjects),
        signing=keys,
        clock=clock,
        product=metadata.version("interlock"),
    )

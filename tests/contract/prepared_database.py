"""A prepared database with its two roles open, and small stores built in it by the product's own writers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.boundary.journal import PostgresJournal
from interlock.boundary.recorder import Recorder
from interlock.data.document_store import DocumentStore
from interlock.data.documents import DocumentLimits
from interlock.data.objects import MemoryObjects
from interlock.domain import canonical
from interlock.domain.documents import Document
from interlock.domain.effects import Effect, Kind, Outcome, Status
from interlock.domain.ids import new_id
from interlock.domain.tasks import Claimed, Ended, State, TaskInfo
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.audit_log import AuditLog
from interlock.governance.decide import Bundle
from interlock.governance.identity import Identity, Principal
from interlock.governance.identity_providers import GroupRoles, IdentityProvider, IdentityProviders
from interlock.governance.kept_checkpoint import KeptCheckpoint
from interlock.governance.passwords import Passwords
from interlock.governance.policies import ROLES
from interlock.governance.tenant_policies import Shipped, TenantPolicies
from interlock.infra import database
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.infra.http import GuardedClient
from interlock.infra.settings import Settings
from interlock.orchestration.accounts import Accounts
from interlock.orchestration.api_keys import ApiKeys
from interlock.orchestration.documents import DocumentRecords
from interlock.orchestration.identity_providers import ProviderChanges
from interlock.orchestration.policy_changes import PolicyChanges
from interlock.orchestration.review_rows import event
from interlock.orchestration.store import PostgresTasks, log
from interlock.orchestration.tenant_webhook import TenantWebhooks
from interlock.sdk.task import input_digest

TENANT = "acme"
KEYS = SubjectKeys(bytes(range(32)))
OBJECTS = MemoryObjects()
QUESTION = '{"title":"A dinner"}'
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass(kw_only=True)
class Prepared:
    """One database as its three roles; `owner_url` may do anything, so it is what a tamperer has."""

    owner_url: str
    app: Database
    relay: Database
    clock: Clock = field(default_factory=Clock)
    kept: Path | None = None

    def audit_log(self) -> AuditLog:
        return AuditLog(
            self.relay,
            origin="interlock.test/log",
            key_name="interlock.test",
            private_key=SIGNING_KEY,
            kept=None if self.kept is None else KeptCheckpoint(self.kept),
            wrapping_key=bytes(32),
        )

    async def tamper(self, *statements: str) -> None:
        """Run statements as a superuser whom no key, trigger or policy stops."""
        async with await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True) as conn:
            await conn.execute("set search_path = interlock")
            await conn.execute("set session_replication_role = replica")
            for statement in statements:
                await conn.execute(statement.encode())

    async def ask(self, query: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Query as the owner."""
        async with await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True) as conn:
            await conn.execute("set search_path = interlock")
            return await (await conn.execute(query.encode(), values)).fetchall()

    async def skip(self, interval: str) -> None:
        """Move the database's clock on."""
        await self.tamper(f"update clock set shift = shift + interval '{interval}'")

    async def add_tenant(self, tenant: str = TENANT) -> None:
        await self.tamper(f"insert into tenants (tenant, name) values ('{tenant}', '{tenant}') on conflict do nothing")


async def prepare(data_dir: Path, owner_url: str) -> database.DatabaseUrls:
    """Make roles and tables. The roles belong to the server, so their passwords come from its folder."""
    return await database.prepare(Settings(data_dir=data_dir), owner_url)


@asynccontextmanager
async def opened(urls: database.DatabaseUrls, *, size: int = 4) -> AsyncIterator[Prepared]:
    app, relay = (Database(url, size=size, wait_s=5) for url in (urls.app, urls.relay))
    await app.open()
    await relay.open()
    try:
        yield Prepared(owner_url=urls.owner, app=app, relay=relay)
    finally:
        await app.close()
        await relay.close()


class Writers:
    """Writes tasks as the product does: accepted, journaled, ended."""

    def __init__(self, prepared: Prepared, *, tenant: str = TENANT, inline_bytes_max: int = 65_536) -> None:
        recorder = Recorder(prepared.app)
        objects = MemoryObjects()
        self._app = prepared.app
        self._tenant = tenant
        self.clock = prepared.clock
        self.journal = PostgresJournal(
            prepared.app,
            recorder,
            objects,
            prepared.clock,
            inline_bytes_max=inline_bytes_max,
            outcome_bytes_max=1_000_000,
        )
        self.tasks = PostgresTasks(
            prepared.app, recorder, objects, KEYS, prepared.clock, inline_bytes_max=inline_bytes_max
        )

    async def accept(self, *, subject: str | None = None, callback_url: str | None = None) -> Claimed:
        """Accept a task and claim it (epoch 1)."""
        task_id = new_id("task")
        subject = subject or f"task:{task_id}"
        key, wrapped = KEYS.new(self._tenant, subject)
        salt, text, by = audit.new_salt(), '{"amount":"12.30"}', "user:amir"
        info = TaskInfo(
            id=task_id,
            tenant=self._tenant,
            automation="expenses",
            version="1.0.0",
            correlation_id="c" * 32,
            submitted_by=by,
            subject=subject,
        )
        facts = {
            "task": task_id,
            "generation": 1,
            "state": "accepted",
            "automation": info.automation,
            "version": info.version,
            "correlation": info.correlation_id,
            "commit": audit.commit(key, salt, (text, None, by)),
            "terms": audit.commit(
                key, salt, audit.task_terms(labels={}, priority=0, deadline=None, callback_url=callback_url)
            ),
            "salt": salt.hex(),
        }
        async with self._app.tenant(self._tenant) as conn:
            await conn.execute(
                "insert into subject_keys (tenant, subject, wrapped_key) values (%s, %s, %s) on conflict do nothing",
                (self._tenant, subject, wrapped),
            )
            await conn.execute(
                "insert into tasks (tenant, id, automation, automation_version, state, correlation_id, subject, input, callback_url,"
                " submitted_by, epoch) values (%s, %s, %s, %s, 'running', %s, %s, %s::json, %s, %s, 1)",
                (self._tenant, task_id, "expenses", "1.0.0", info.correlation_id, subject, text, callback_url, by),
            )
            leaf = audit.leaf("task.accepted", tenant=self._tenant, at=self.clock.now(), facts=facts)
            await log(conn, tenant=self._tenant, task_id=task_id, leaf=leaf)
        return Claimed(
            info=info,
            epoch=1,
            generation=1,
            input=canonical.loads(text),
            accepted_at=self.clock.now(),
            subject_key=key,
            callback_url=callback_url,
        )

    async def document(self, data: bytes) -> Document:
        records = DocumentRecords(KEYS, self.clock)
        store = DocumentStore(self._app, OBJECTS, DocumentLimits(), records.stored)
        return await store.add(self._tenant, data=data, filename="receipt.pdf", by="user:amir")

    async def key(self, user: str, *roles: str, **given: Any) -> str:
        """Make an API key as a person does."""
        info, _ = await self._api_keys().create(self._owner(), name=user, user=user, roles=roles, **given)
        return info.id

    async def access(self) -> None:
        """Make a narrowed key and some accounts."""
        await self.narrowed_and_rotated("user:nell")
        await self.accounts()

    async def narrowed_and_rotated(self, user: str) -> None:
        """Make a key that may only read tasks of one automation, and has a new secret and an end since."""
        key_id = await self.key(user, "author", actions=["read"], automations=["expenses"])
        for _ in range(2):
            await self._api_keys().rotate(self._owner(), key_id)
        for days in (3, 2):
            await self._api_keys().expire(self._owner(), key_id, self.clock.now() + timedelta(days=days))

    async def accounts(self) -> None:
        """Make people and a service; one person has other roles and another password since, one service is disabled."""
        identity = Identity(self._app, pepper=bytes(32), environment="test")
        made = Accounts(
            database=self._app, identity=identity, keys=KEYS, clock=self.clock, roles=ROLES, passwords=Passwords()
        )
        owner, word = self._owner(), "four words stand here"
        await made.create(
            owner, "user:noor", name="Noor", roles=["author"], approval_limit=Decimal(5000), password=word
        )
        await made.change(owner, "user:noor", roles=["reviewer"], approval_limit=Decimal(7000))
        await made.set_password(owner, "user:noor", word + " now")
        await made.create(owner, "service:intake", name="The intake")
        await made.disable(owner, "service:intake")
        await self.providers(made)
        await self.webhook()
        await self.policies()

    async def providers(self, accounts: Accounts) -> None:
        """Make identity providers, one of which is gone since, and somebody who signed in by the other."""
        changes = ProviderChanges(self._app, IdentityProviders(bytes(32)), ROLES, KEYS, self.clock)
        for name, roles in (("gone", ("author",)), ("company", ("owner",)), ("company", ("reviewer",))):
            provider = IdentityProvider(
                name=name, issuer=f"https://{name}.example", client_id="interlock", algorithm="RS256", audience=None, scopes=(),
                groups_claim="groups", user_claim="sub", required_claims={}, groups=(GroupRoles(display="finance", roles=roles),),
            )  # fmt: skip
            await changes.put(self._owner(), provider, secret="a-secret-of-the-client")
        await changes.remove(self._owner(), "gone")
        tenant = self._owner().tenant
        async with self._app.tenant(tenant) as conn:
            await accounts.insert(
                conn, tenant, "user:company.fay", name="Fay", roles=["reviewer"], by="user:olga", by_key=None,
                federated=("https://company.example", "fay"),
            )  # fmt: skip

    async def webhook(self) -> None:
        """Say twice where the tenant is called for loud events."""
        async with GuardedClient((), 5.0, 1_000) as outgoing:
            webhooks = TenantWebhooks(self._app, outgoing, self.clock)
            for path in ("first", "second"):
                await webhooks.set(self._owner(), f"https://93.184.216.34/{path}")

    async def policies(self) -> None:
        """Have a set of policies in force, another that looks on, and a change that was turned down; one rolled back between."""
        shipped = Shipped(base=Bundle.load([]), bundles={}, folders={}, effects={}, facts={})
        policies = TenantPolicies(self._app, shipped)
        changes = PolicyChanges(database=self._app, policies=policies, keys=KEYS, clock=self.clock)
        other = replace(self._owner(), id="user:otto")
        for action, shadow, reason in (
            ("task.cancel", False, None), ("task.retry", False, None), ("task.cancel", False, "Not now."), ("task.signal", True, None),
        ):  # fmt: skip
            text = f'@id("own") @reason("Frozen.") forbid (principal, action == Action::"{action}", resource);'
            change, _ = await changes.propose(self._owner(), {"own.cedar": text}, note="", shadow=shadow)
            await policies.current(self._tenant)
            if reason is None:
                await changes.approve(other, change.number)
            else:
                await changes.reject(other, change.number, reason=reason)
        await changes.roll_back(self._owner())

    async def revoke_key(self, key_id: str) -> None:
        await self._api_keys().revoke(self._owner(), key_id)

    def _api_keys(self) -> ApiKeys:
        identity = Identity(self._app, pepper=bytes(32), environment="test")
        return ApiKeys(
            database=self._app,
            identity=identity,
            keys=KEYS,
            clock=self.clock,
            roles=ROLES | {"manager", "boss"},
            actions={"task.read": "read", "task.submit": "route"},
            automations=["expenses"],
        )

    def _owner(self) -> Principal:
        return Principal(tenant=self._tenant, id="user:olga", roles=("owner",), key_id="k", approval_limit=None)

    async def effect(self, task: Claimed, name: str, seq: int, value: Any, *, opened: bool = False) -> Effect:
        asked = {"document": name}
        effect = Effect(
            id=f"/{name}#{seq}",
            kind=Kind.STEP,
            name=name,
            target=f"steps.{name}",
            input=asked,
            input_digest=input_digest(Kind.STEP, name, f"steps.{name}", canonical.dumps(asked)),
        )
        if opened:
            await self.journal.open(task, effect, wake_after_s=None, decision=None)
        outcome = Outcome(status=Status.OK, value=value, duration_ms=1.5, model_version="m@1")
        await self.journal.record(task, effect, seq, outcome)
        return effect

    async def end(self, task: Claimed, state: State = State.SUCCEEDED, *, output: Any = None) -> None:
        error = None if state is State.SUCCEEDED else {"kind": "Failed", "message": "it failed"}
        await self.tasks.end(task, Ended(state=state, output=output, error=error))

    async def review(self, task: Claimed, effect_id: str, *, verdict: str | None) -> str:
        """Open a review, and answer it where a verdict is given."""
        review_id = new_id("rev")
        salt = audit.new_salt()
        answer = canonical.dumps({"verdict": verdict, "by": "user:mia", "values": {"total": "12.30"}}).decode()
        async with self._app.tenant(self._tenant) as conn:
            await conn.execute(
                "insert into reviews (tenant, id, task_id, generation, effect_id, automation, name, input_digest, request, role,"
                " task_submitted_by, correlation_id) values (%s, %s, %s, 1, %s, 'expenses', 'check', '', %s::json, 'manager', %s, %s)",
                (
                    self._tenant,
                    review_id,
                    task.info.id,
                    effect_id,
                    QUESTION,
                    task.info.submitted_by,
                    task.info.correlation_id,
                ),
            )
            facts: dict[str, Any] = {"task": task.info.id, "review": review_id}
            parts = audit.review_parts(
                request=QUESTION,
                subject=None,
                deadline=None,
                automation="expenses",
                name="check",
                submitted_by=task.info.submitted_by,
            )
            commit = {"salt": salt.hex(), "commit": audit.commit(task.subject_key, salt, parts)}
            line = await event(conn, review_id, "opened", "interlock", {"role": "manager"}, key=task.subject_key)
            opened = facts | commit | line | {"role": "manager"}
            leaf = audit.leaf("review.opened", tenant=self._tenant, at=self.clock.now(), facts=opened)
            await log(conn, tenant=self._tenant, task_id=task.info.id, leaf=leaf)
            if verdict is None:
                return review_id
            await conn.execute(
                "update reviews set state = 'answered', answer = %s::json, answer_salt = %s, answered_by = 'user:mia' where id = %s",
                (answer, salt, review_id),
            )
            shown = {"verdict": verdict, "hold_s": 0}
            line = await event(conn, review_id, "answered", "user:mia", shown, key=task.subject_key)
            facts |= line | {"verdict": verdict, "commit": audit.commit(task.subject_key, salt, (answer,))}
            leaf = audit.leaf("review.answered", tenant=self._tenant, at=self.clock.now(), facts=facts)
            await log(conn, tenant=self._tenant, task_id=task.info.id, leaf=leaf)
        return review_id

"""The composition root: settings in, the running parts out. The only place that builds clients."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from interlock.boundary import oblige, step_logs
from interlock.boundary.executors import (
    DecideExecutor,
    EmitExecutor,
    FetchExecutor,
    NowExecutor,
    Registers,
    SleepExecutor,
    StepExecutor,
)
from interlock.boundary.infer import InferExecutor
from interlock.boundary.journal import PostgresJournal
from interlock.boundary.oblige import Obliger
from interlock.boundary.perform import Boundary, FaultPoint, no_fault
from interlock.boundary.pseudonym_store import PostgresPseudonyms
from interlock.boundary.recorder import Recorder
from interlock.boundary.redaction_pool import document_limits, redaction_pool
from interlock.boundary.step_logs import StepLogs
from interlock.data.document_store import DocumentStore
from interlock.data.objects import Objects
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Kind
from interlock.domain.errors import ConfigurationError, InterlockError, Unauthenticated
from interlock.domain.ports import Executor, ObjectStore
from interlock.domain.tasks import Claimed
from interlock.governance import ask
from interlock.governance.audit import SubjectKeys
from interlock.governance.audit_keys import key_ring
from interlock.governance.audit_log import AuditLog
from interlock.governance.audit_records import AuditRecords
from interlock.governance.decide import Bundle
from interlock.governance.evidence import Evidence
from interlock.governance.identity import FIRST_TENANT, Identity
from interlock.governance.kept_checkpoint import KeptCheckpoint
from interlock.governance.proofs import Proofs
from interlock.governance.residency import Residency, ResidentObjects, residency_of
from interlock.governance.tenant_policies import Shipped, TenantPolicies
from interlock.governance.witnesses import BucketWitness, FileWitness, TimestampWitness, Witness
from interlock.governance.witnessing import Witnessing
from interlock.infra.child_pool import ChildPool
from interlock.infra.clock import Clock
from interlock.infra.data_folder import DataFolder
from interlock.infra.database import Database
from interlock.infra.http import GuardedClient
from interlock.infra.keys import AUDIT_KEY_NAME, Keys
from interlock.infra.secrets_file import write_private
from interlock.infra.settings import Settings
from interlock.ingress import open_lineage
from interlock.ingress.deliveries import Deliveries, DeliveryLimits
from interlock.ingress.delivery_log import DeliveryLog
from interlock.ingress.relay import Relay
from interlock.ingress.watched_folder import WatchedFolders
from interlock.observability.cost import cpu_cost_usd
from interlock.orchestration import access, model_versions
from interlock.orchestration.access import Access
from interlock.orchestration.advance import Advance, Parked, pinned_elsewhere
from interlock.orchestration.api_keys import create as create_recorded
from interlock.orchestration.automations import Automations, config_of, load_all
from interlock.orchestration.documents import DocumentRecords
from interlock.orchestration.engines.postgres import Limits, PostgresEngine
from interlock.orchestration.erasures import Erasures
from interlock.orchestration.lineage import Lineages
from interlock.orchestration.metrics import Metrics
from interlock.orchestration.model_gate import ModelGate
from interlock.orchestration.model_versions import ModelVersions
from interlock.orchestration.policy_changes import PolicyChanges
from interlock.orchestration.refusals import Refusals
from interlock.orchestration.review_effect import ReviewExecutor
from interlock.orchestration.reviews import Reviews
from interlock.orchestration.saved_views import SavedViews
from interlock.orchestration.secrets import Secrets
from interlock.orchestration.store import PostgresTasks
from interlock.orchestration.submit import Submission, Submit
from interlock.orchestration.task_actions import TaskActions
from interlock.orchestration.task_views import TaskViews
from interlock.sdk.task import Task
from interlock.serving.gateway import Gateway
from interlock.serving.runtimes.process import ProcessRuntime

DEFAULT_TENANT = FIRST_TENANT
WATCHED_BY = "service:watched-folder"


@dataclass(frozen=True, kw_only=True)
class App:
    """What every role shares, and what the API calls."""

    settings: Settings
    keys: Keys
    clock: Clock
    database: Database
    objects: ObjectStore
    documents: DocumentStore
    subject_keys: SubjectKeys
    outgoing: GuardedClient
    automations: Automations
    identity: Identity
    submit: Submit
    erasures: Erasures
    reviews: Reviews
    tasks: PostgresTasks
    recorder: Recorder
    views: TaskViews
    saved_views: SavedViews
    metrics: Metrics
    lineages: Lineages
    actions: TaskActions
    deliveries: Deliveries
    delivery_log: DeliveryLog
    policies: TenantPolicies
    policy_changes: PolicyChanges
    access: Access
    secrets: Secrets
    audit_records: AuditRecords
    proofs: Proofs
    evidence: Evidence
    models: ModelVersions
    step_logs: StepLogs


@asynccontextmanager
async def opened(
    settings: Settings, *, name: str = "interlock", database: Database | None = None
) -> AsyncIterator[App]:
    """Build and open the shared parts; closes them at the end. `database` is opened by whoever gives it.

    Raises:
        ConfigurationError: a setting, an automation, or the rights of the database role.
    """
    async with AsyncExitStack() as stack:
        if database is None:
            database = app_database(settings, name)
            await database.open()
            stack.push_async_callback(database.close)
        keys = Keys.of(settings)
        subject_keys = SubjectKeys(keys.subjects)
        clock = Clock()
        residency = residency_of(settings)
        objects = await _object_store(settings, residency)
        automations = load_all(settings.automations_dir)
        outgoing = GuardedClient(
            settings.outgoing_allow, settings.outgoing_timeout_s, settings.outgoing_response_bytes_max
        )
        stack.push_async_callback(outgoing.aclose)
        documents = DocumentStore(
            database, objects, document_limits(settings), DocumentRecords(subject_keys, clock).stored
        )
        stack.push_async_callback(documents.close)
        recorder = Recorder(database)
        ships = shipped(automations)
        policies = TenantPolicies(database, ships)
        stack.push_async_callback(flushed, policies)
        refused = Refusals(database, clock)
        identity = Identity(database, pepper=keys.pepper, environment=settings.environment, refused=refused)
        tasks = PostgresTasks(
            database, recorder, objects, subject_keys, clock, inline_bytes_max=settings.inline_outcome_bytes_max
        )
        reviews = _reviews(settings, database, automations, policies, subject_keys, clock)
        yield App(
            settings=settings,
            keys=keys,
            clock=clock,
            database=database,
            objects=objects,
            documents=documents,
            subject_keys=subject_keys,
            outgoing=outgoing,
            automations=automations,
            identity=identity,
            submit=Submit(
                database=database,
                automations=automations,
                documents=documents,
                objects=objects,
                keys=subject_keys,
                outgoing=outgoing,
                clock=clock,
                settings=settings,
                residency=residency,
            ),
            erasures=Erasures(database=database, objects=objects, keys=subject_keys, clock=clock),
            reviews=reviews,
            tasks=tasks,
            recorder=recorder,
            views=(views := TaskViews(database, objects)),
            saved_views=SavedViews(database, subject_keys, clock),
            metrics=Metrics(database),
            lineages=Lineages(database, objects, views),
            actions=TaskActions(database, subject_keys, clock),
            deliveries=deliveries(settings, database, outgoing, clock, keys),
            policies=policies,
            policy_changes=PolicyChanges.within(stack, database, policies, subject_keys, clock),
            access=access.build(settings, database, identity, refused, clock, ships.base, automations, outgoing),
            secrets=Secrets(database, keys.connection_secrets, automations, subject_keys, clock),
            audit_records=AuditRecords(database, key_ring(settings)),
            proofs=Proofs(database),
            evidence=Evidence.of(settings, database),
            delivery_log=DeliveryLog(database, clock),
            models=model_versions.build(database, automations, policies, keys, clock),
            step_logs=step_logs.build(settings, database, subject_keys),
        )


def _reviews(
    settings: Settings,
    database: Database,
    automations: Automations,
    policies: TenantPolicies,
    keys: SubjectKeys,
    clock: Clock,
) -> Reviews:
    """Build what people do with reviews."""
    return Reviews(
        database=database,
        automations=automations,
        policies=policies,
        keys=keys,
        clock=clock,
        hold_s_max=settings.review_hold_s_max,
    )


def shipped(automations: Automations) -> Shipped:
    """Give what the code brings for policies."""
    folders = {r.name: r.folder / "policy" for r in automations if (r.folder / "policy").is_dir()}
    return Shipped(
        base=Bundle.load([]),
        bundles={r.name: r.bundle for r in automations},
        folders=folders,
        effects={r.name: r.manifest.effects for r in automations},
        facts={r.name: r.facts for r in automations},
        roles=automations.roles,
    )


async def flushed(policies: TenantPolicies) -> None:
    """Write what was noted of policies that only look on; they are counts, and a database that is away ends nothing."""
    with contextlib.suppress(InterlockError):
        await policies.flush()


async def _object_store(settings: Settings, residency: Residency) -> ObjectStore:
    """Build the object store, which takes nothing that may not stand there; raises ConfigurationError where a store breaks a rule."""
    residency.check_start()
    store = Objects(settings.objects_url)
    if settings.object_store_url:  # somebody else's: what it refuses is better known now than at the first receipt
        await store.probe()
    return ResidentObjects(store, residency)


def app_database(settings: Settings, name: str) -> Database:
    """Build the database as the application's role, not opened yet."""
    return Database(
        app_url(settings),
        size=settings.database_pool_size,
        wait_s=settings.database_wait_s,
        statement_timeout_s=settings.statement_timeout_s,
        answer_s=settings.database_answer_s,
        name=name,
    )


def app_url(settings: Settings) -> str:
    """Give the URL of the application's database role."""
    if settings.database_app_url is None:
        raise ConfigurationError(
            "There is no database for the application.",
            fix="Set INTERLOCK_DATABASE_APP_URL, or start everything with `interlock up`.",
        )
    return settings.database_app_url


def deliveries(settings: Settings, database: Database, client: GuardedClient, clock: Clock, keys: Keys) -> Deliveries:
    """Build what delivers callbacks."""
    return Deliveries(
        app=database,
        client=client,
        clock=clock,
        secrets=lambda tenant: [keys.webhook_secret(tenant)],
        limits=DeliveryLimits(
            attempts_max=settings.callback_attempts_max,
            timeout_s=settings.callback_timeout_s,
            backoff_initial_s=settings.callback_backoff_initial_s,
            backoff_max_s=settings.callback_backoff_max_s,
            in_flight_max=settings.callbacks_in_flight_max,
            lease_s=settings.callback_timeout_s * 2 + 20,
        ),
    )


def audit_log(settings: Settings, relay: Database) -> AuditLog:
    """Build what sequences and signs the audit log."""
    keys = Keys.of(settings)
    return AuditLog(
        relay,
        origin=keys.audit_origin,
        key_name=AUDIT_KEY_NAME,
        private_key=keys.audit_key,
        kept=KeptCheckpoint(DataFolder(settings.data_dir).kept_checkpoint),
        wrapping_key=keys.audit_wrapping,
    )


def witnesses(settings: Settings, client: GuardedClient) -> list[Witness]:
    """Build the witnesses that are set.

    Raises:
        ConfigurationError: a witness file inside of the data folder, or an authority's certificates that cannot be read.
    """
    origin = Keys.of(settings).audit_origin
    found: list[Witness] = []
    if (path := settings.witness_file(origin.replace("/", "-"))) is not None:
        found.append(FileWitness(path))
    if settings.audit_witness_bucket is not None:
        found.append(BucketWitness(Objects(settings.audit_witness_bucket), origin=origin))
    if settings.audit_tsa_url is not None and settings.audit_tsa_roots is not None:
        try:
            roots = settings.audit_tsa_roots.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"INTERLOCK_AUDIT_TSA_ROOTS={settings.audit_tsa_roots} cannot be read: {error.strerror or error}.",
                fix="Name the file with the authority's root certificates (PEM).",
            ) from error
        found.append(TimestampWitness(settings.audit_tsa_url, client, roots=roots))
    return found


def build_relay(app: App, relay: Database) -> Relay:
    """Build the relay role: its own database role sequences, the application's delivers and submits."""
    settings = app.settings

    async def submit(automation: str, filename: str, data: bytes, idempotency_key: str) -> str:
        document = await app.documents.add(DEFAULT_TENANT, data=data, filename=filename, by=WATCHED_BY)
        submission = Submission(
            automation=automation,
            input=app.automations.get(automation).input_of_file(document.id),
            labels={"source": "watched-folder", "file": filename[: settings.label_chars_max]},
        )
        accepted = await app.submit.accept(DEFAULT_TENANT, submission, by=WATCHED_BY, idempotency_key=idempotency_key)
        return accepted.task_id

    for automation, _ in settings.watched:
        if automation not in app.automations.names:
            raise ConfigurationError(
                f"INTERLOCK_WATCH_DIRS names {automation}, which is no automation.",
                fix=f"Registered are: {', '.join(app.automations.names) or 'none'}.",
            )
        app.automations.get(automation).input_of_file("")  # so that a mistake is known now
    log = audit_log(settings, relay)
    seen_by = witnesses(settings, app.outgoing)
    witnessing = Witnessing(
        relay,
        log,
        seen_by,
        clock=app.clock,
        state=DataFolder(settings.data_dir).witnesses,
        interval_s=settings.audit_witness_interval_s,
    )
    watched = WatchedFolders(
        settings.watched,
        submit,
        size_bytes_max=settings.document_size_bytes_max,
        suffixes={r.name: r.manifest.watch.suffixes for r in app.automations if r.manifest.watch is not None},
    )
    return Relay(
        app=app.database,
        relay=relay,
        audit_log=log,
        deliveries=app.deliveries,
        watched=watched if settings.watched else None,
        erasures=app.erasures,
        kept_days=settings.kept_days,
        privacy_interval_s=settings.privacy_interval_s,
        sequence_interval_s=settings.sequence_interval_s,
        checkpoint_interval_s=settings.checkpoint_interval_s,
        watch_poll_s=settings.watch_poll_s,
        witnessing=witnessing if seen_by else None,
        witness_interval_s=settings.audit_witness_interval_s,
        lineage=open_lineage.build(settings, app.database, app.outgoing, product=version("interlock")),
        elevations=app.access.elevations,
    )


class Worker:
    """The worker role: the engine with everything behind its boundary."""

    def __init__(
        self, app: App, *, fault: FaultPoint = no_fault, executors: Mapping[Kind, Executor] | None = None
    ) -> None:
        settings = app.settings
        self._app = app
        self._fault = fault
        self.steps = ChildPool(
            name="steps",
            handler="interlock.boundary.step_child:handler",
            config={"automations_dir": str(settings.automations_dir), "logs": asdict(app.step_logs.limits)},
            size=settings.step_processes,
        )
        adopt = settings.shipped_models == "released"
        self.gateway = Gateway(ModelGate(app.database, app.models, app.keys, adopt=adopt))
        self.runtimes = [
            (registered.name, ProcessRuntime(model, processes=settings.predictor_processes))
            for registered in app.automations
            for model in registered.models.values()
        ]
        for automation, runtime in self.runtimes:
            card, endpoint = runtime.version.card, runtime.version.endpoint
            self.gateway.register(
                automation,
                endpoint,
                runtime,
                region=card.region,
                needs=card.needs,
                stand_in=endpoint != card.name,
                version=runtime.version,
            )
        self.redaction = redaction_pool(settings)
        self.obliger = Obliger(
            pool=self.redaction,
            pseudonyms=PostgresPseudonyms(app.database),
            documents=app.documents,
            elsewhere=self.gateway.elsewhere,
            timeout_s=settings.redaction_timeout_s,
        )
        self.journal = PostgresJournal(
            app.database,
            app.recorder,
            app.objects,
            app.clock,
            inline_bytes_max=settings.inline_outcome_bytes_max,
            outcome_bytes_max=settings.outcome_bytes_max,
        )
        self.boundary = Boundary(
            store=self.journal,
            decide=self._decide,
            executors={**self._executors(), **(executors or {})},
            cost_usd=lambda cpu_ms: cpu_cost_usd(cpu_ms, settings.cpu_price_usd_per_hour),
            cure=self.obliger.cure,
            finish=oblige.finish,
            fault=fault,
        )
        self.engine = PostgresEngine(
            database=app.database,
            tasks=app.tasks,
            attempt=self._attempt,
            clock=app.clock,
            limits=Limits(
                concurrency=settings.worker_concurrency,
                claim_batch_max=settings.claim_batch_max,
                lease_s=settings.lease_s,
                lease_renew_s=settings.lease_renew_s,
                poll_s=settings.poll_s,
                shutdown_s=settings.shutdown_s,
            ),
            fault=fault,
        )

    def _executors(self) -> dict[Kind, Executor]:
        app = self._app
        configs = {r.name: config_of(r, app.settings.data_dir) for r in app.automations}
        return {
            Kind.INFER: InferExecutor(self.gateway, app.documents),
            Kind.STEP: StepExecutor(
                self.steps,
                Registers(app.database),
                lambda name: configs.get(name, {}),
                app.secrets.store,
                app.step_logs,
            ),
            Kind.REVIEW: ReviewExecutor(app.database, app.clock),
            Kind.EMIT: EmitExecutor(),
            Kind.FETCH: FetchExecutor(app.outgoing, app.secrets.store),
            Kind.SLEEP: SleepExecutor(app.clock),
            Kind.NOW: NowExecutor(app.clock),
            Kind.DECIDE: DecideExecutor(self._ask),
        }

    async def _decide(self, effect: Effect, task: Claimed) -> Decision:
        deciding = await self._app.policies.current(task.info.tenant)
        cured = oblige.facts(effect)
        asked = (task.info.tenant, task.info.automation, effect.kind, effect.name, effect.target)
        if not cured and (known := deciding.known(asked)) is not None:
            return known
        registered = self._app.automations.get(task.info.automation)
        facts = registered.facts(effect.kind, effect.target)
        decision = ask.effect(
            deciding.bundle(registered.name),
            tenant=task.info.tenant,
            automation=registered.name,
            effects=registered.manifest.effects,
            kind=effect.kind.value,
            name=effect.name,
            facts=tuple((dict(facts) | dict(cured)).items()) if cured else facts,
        )
        return decision if cured else deciding.remember(asked, decision)

    async def _ask(self, task: Claimed, action: str, facts: Mapping[str, Any]) -> Decision:
        registered = self._app.automations.get(task.info.automation)
        deciding = await self._app.policies.current(task.info.tenant)
        return ask.business(
            deciding.bundle(registered.name),
            tenant=task.info.tenant,
            automation=registered.name,
            effects=registered.manifest.effects,
            action=action,
            facts=facts,
        )

    def _attempt(self, task: Claimed) -> Advance | Parked:
        registered = self._app.automations.get(task.info.automation)
        deployed = registered.manifest.version
        if pinned_elsewhere(task.info.version, deployed):
            message = f"The task is pinned to {registered.name} {task.info.version}; {deployed} is deployed here. Deploy its major version."
            return Parked(task, self._app.tasks, message)

        def start(claimed: Claimed, handle: Task) -> Coroutine[Any, Any, Any]:
            return registered.automation.run(handle, claimed.input)

        return Advance(
            task=task,
            start=start,
            journal=self.journal,
            tasks=self._app.tasks,
            boundary=self.boundary,
            effects_max=self._app.settings.effects_per_task_max,
            fault=self._fault,
        )

    async def wake_blocked(self) -> None:
        """Make blocked tasks of the automations here due again: their code may be right now."""
        async with self._app.database.across() as conn:
            await conn.execute("select wake_blocked(%s)", (self._app.automations.names,))

    async def close(self) -> None:
        await self.steps.close()
        await self._app.step_logs.close()
        await self.redaction.close()
        for _, runtime in self.runtimes:
            await runtime.close()


async def bootstrap(settings: Settings) -> None:
    """Make the first tenant and its admin key, whose file has mode 0600. Does nothing where both are there."""
    key_file = settings.data_dir / "admin.key"
    database = Database(app_url(settings), size=2, wait_s=10, name="interlock-bootstrap")
    await database.open()
    identity = Identity(database, pepper=Keys.of(settings).pepper, environment=settings.environment)
    try:
        await database.check_role()
        async with database.tenant(DEFAULT_TENANT) as conn:
            await conn.execute(
                "insert into tenants (tenant, name) values (%s, %s) on conflict do nothing",
                (DEFAULT_TENANT, "The first tenant"),
            )
        held = None
        with contextlib.suppress(FileNotFoundError):
            held = key_file.read_text().strip()
        if held and await _known(identity, held):
            return
        async with database.tenant(DEFAULT_TENANT) as conn:
            await conn.execute("select pg_advisory_xact_lock(%s)", (0x1A7E_0002,))
            _, key = await create_recorded(
                conn,
                identity,
                SubjectKeys(Keys.of(settings).subjects),
                Clock(),
                tenant=DEFAULT_TENANT,
                by="interlock",
                by_key=None,
                name="admin",
                user="user:admin",
                roles=("admin",),
            )
            write_private(key_file, f"{key}\n".encode())
    finally:
        await database.close()


async def _known(identity: Identity, key: str) -> bool:
    try:
        await identity.authenticate(key)
    except Unauthenticated:
        return False
    return True

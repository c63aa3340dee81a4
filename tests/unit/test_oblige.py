"""The boundary's obligations: a deny with remedies is cured and asked again, and what cannot be cured leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from interlock.boundary import oblige
from interlock.boundary.oblige import Obliger, cured
from interlock.boundary.perform import REDACTION_RETRY, Boundary, Owner
from interlock.boundary.pseudonym_store import MemoryPseudonyms
from interlock.boundary.redact_child import handler
from interlock.data.objects import MemoryObjects
from interlock.domain.decisions import Answer, Decision, Reason
from interlock.domain.effects import Effect, Kind, Pending, Recorded, Status
from interlock.domain.errors import ExecutorFailed
from interlock.domain.ports import Attempt, Call, Executed, Journal
from interlock.domain.tasks import Claimed, TaskInfo
from interlock.infra.child_pool import ChildPool, Result
from interlock.serving.gateway import Gateway
from interlock.testing.fakes import HurriedJournal, JumpingClock, Row, Tables

CONFIG = {"detector": "rules", "chars_max": 10_000, "documents": {}}
INPUT = {"first_name": "Radia", "note": "Ask Radia's assistant, radia@example.org", "amount": "12.30"}


@dataclass
class Inline:
    """Stands for the pool: the real handler, in this process."""

    fails: ExecutorFailed | None = None
    calls: int = 0

    async def call(
        self, body: Mapping[str, Any], files: Mapping[str, bytes] | None = None, *, timeout_s: float
    ) -> Result:
        self.calls += 1
        if self.fails is not None:
            raise self.fails
        return Result(value=handler(CONFIG)(body, files or {}), cpu_ms=1, duration_ms=1)


@dataclass
class Vendor:
    """An executor that keeps what it was sent and answers with it."""

    seen: list[Any] = field(default_factory=list)
    regions: list[str | None] = field(default_factory=list)

    def opens(self, effect: Effect) -> bool:
        return False

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        self.seen.append(effect.input)
        done = cured(effect)
        self.regions.append(None if done is None else done.region)
        return Executed(value={"echo": effect.input, "said": "person_1's claim"})

    async def withdraw(self, effect: Effect, call: Call) -> None:
        return None


def decision(answer: Answer, *remedies: str) -> Decision:
    return Decision(answer=answer, reasons=(Reason(policy="p", text="why"),), policy_version="v", obligations=remedies)


def asking(*remedies: str, allows: Callable[[Mapping[str, Any]], bool]) -> Any:
    """Give a hand-made policy: against the effect, with remedies, unless its facts please it."""

    async def decide(effect: Effect, task: Claimed) -> Decision:
        return decision(Answer.ALLOW) if allows(oblige.facts(effect)) else decision(Answer.DENY, *remedies)

    return decide


class World:
    """A boundary over memory, with a task `t` of the tenant `acme`."""

    def __init__(self, decide: Any, *, gateway: Gateway | None = None, kind: Kind = Kind.INFER) -> None:
        self.clock = JumpingClock()
        self.tables = Tables(clock=self.clock, objects=MemoryObjects())
        self.owner: Owner | None = None
        self.pool, self.vendor, self.pseudonyms = Inline(), Vendor(), MemoryPseudonyms()
        self.kind = kind
        obliger = Obliger(
            pool=cast(ChildPool, self.pool),
            pseudonyms=self.pseudonyms,
            documents=None,
            elsewhere=(gateway or Gateway()).elsewhere,
            timeout_s=5,
        )
        self.boundary = Boundary(
            store=HurriedJournal(self.tables),
            decide=decide,
            executors={kind: self.vendor},
            cost_usd=lambda _: "0",
            cure=obliger.cure,
            finish=oblige.finish,
        )

    async def perform(
        self, value: Any = INPUT, *, task: str = "t", tenant: str = "acme", effect: str = "/a#1", key: bytes = b"k" * 32
    ) -> Recorded:
        result = await self.once(value, task=task, tenant=tenant, effect=effect, key=key)
        assert isinstance(result, Recorded)
        return result

    async def once(
        self, value: Any = INPUT, *, task: str = "t", tenant: str = "acme", effect: str = "/a#1", key: bytes = b"k" * 32
    ) -> Recorded | Pending:
        info = TaskInfo(
            id=task,
            tenant=tenant,
            automation="claims",
            version="1.0.0",
            correlation_id="c",
            subject=f"task:{task}",
            submitted_by="user:u",
        )
        at = datetime(2026, 1, 5, tzinfo=UTC)
        claimed = Claimed(info=info, epoch=1, generation=1, input=None, accepted_at=at, subject_key=key)
        self.tables.tasks.setdefault((tenant, task), Row(info=info, input=None, accepted_at=at, epoch=1))
        asked = Effect(id=effect, kind=self.kind, name="read", target="reader", input=value, input_digest=b"d")
        self.owner = Owner(
            claimed, Journal(next_seq=len(self.tables.effects) + 1, attempts={effect: self.failures(effect)})
        )
        return await self.boundary.perform(asked, self.owner)

    def failures(self, effect: str = "/a#1") -> list[Attempt]:
        """Give the failed attempts of an effect so far, as a worker that takes the task up finds them."""
        return [] if self.owner is None else list(self.owner.attempts.get(effect, ()))


def redacted(facts: Mapping[str, Any]) -> bool:
    return bool(facts.get("redacted"))


async def test_the_vendor_sees_pseudonyms_and_the_automation_names() -> None:
    world = World(asking("redact", allows=redacted))
    outcome = (await world.perform()).outcome
    assert world.vendor.seen == [
        {"first_name": "PERSON_1", "note": "Ask PERSON_1's assistant, EMAIL_ADDRESS_1", "amount": "12.30"}
    ]
    assert outcome.value == {"echo": INPUT, "said": "Radia's claim"}
    assert outcome.decision is not None
    assert outcome.decision.allowed
    assert [(r["type"], r["pointer"], r["count"]) for r in outcome.redactions] == [
        ("PERSON", "/first_name", 1), ("EMAIL_ADDRESS", "/note", 1), ("PERSON", "/note", 1),
    ]  # fmt: skip
    assert "adia" not in json.dumps(outcome.redactions)
    assert world.tables.effects["acme", "t", 1, "/a#1"].effect.input == INPUT  # what was asked is what is recorded


async def test_a_name_keeps_its_pseudonym_in_the_task_and_in_no_other() -> None:
    world = World(asking("redact", allows=redacted))
    await world.perform({"email": "a@example.org"})
    await world.perform({"note": "b@example.org and a@example.org"}, effect="/a#2")
    await world.perform({"email": "b@example.org"}, task="u", key=b"j" * 32)
    assert world.vendor.seen == [
        {"email": "EMAIL_ADDRESS_1"},
        {"note": "EMAIL_ADDRESS_2 and EMAIL_ADDRESS_1"},
        {"email": "EMAIL_ADDRESS_1"},
    ]


async def test_with_another_subject_key_nothing_is_mapped_and_nothing_leaves() -> None:
    world = World(asking("redact", allows=redacted))
    await world.perform()
    for key in (b"j" * 32, b""):
        assert isinstance(await world.once(effect="/a#2", key=key), Pending)
    assert len(world.vendor.seen) == 1


async def test_a_cure_that_does_not_help_stays_denied() -> None:
    world = World(asking("redact", allows=lambda facts: False))
    outcome = (await world.perform()).outcome
    assert (outcome.status, outcome.value, outcome.redactions) == (Status.DENIED, None, ())
    assert world.vendor.seen == []


@pytest.mark.parametrize("remedies", [(), ("escalate",), ("review:2",), ("dance",)])
async def test_what_is_no_cure_changes_nothing(remedies: tuple[str, ...]) -> None:
    world = World(asking(*remedies, allows=lambda facts: False))
    assert (await world.perform()).outcome.status is Status.DENIED
    assert (world.pool.calls, world.vendor.seen) == (0, [])


async def test_an_allowed_effect_costs_no_redaction() -> None:
    world = World(asking("redact", allows=lambda facts: True))
    outcome = (await world.perform()).outcome
    assert (world.pool.calls, world.vendor.seen, outcome.redactions) == (0, [INPUT], ())


@pytest.mark.parametrize(
    "error", [ExecutorFailed("Radia was here", kind="TimedOut"), ExecutorFailed("x", kind="Odd", retry=False)]
)
async def test_an_error_in_redaction_releases_nothing_and_quotes_nothing(error: ExecutorFailed) -> None:
    world = World(asking("redact", allows=redacted))
    world.pool.fails = error
    assert isinstance(await world.once(), Pending)
    [failed] = world.failures()
    assert failed.next_attempt_at is not None
    assert failed.error["kind"] == "RedactionFailed"
    assert "Radia" not in str(failed.error)
    assert (world.vendor.seen, world.tables.effects) == ([], {})


async def test_a_redaction_that_never_works_fails_the_effect_in_the_end() -> None:
    world = World(asking("redact", allows=redacted))
    world.pool.fails = ExecutorFailed("x", kind="TimedOut")
    tried = 0
    while isinstance(result := await world.once(), Pending):
        tried += 1
        assert tried < 50
        assert result.wake_at is not None
        world.clock.jump(result.wake_at)
    assert (result.outcome.status, len(world.failures())) == (Status.FAILED, REDACTION_RETRY.attempts)
    assert (result.outcome.error or {})["kind"] == "RedactionFailed"
    assert world.vendor.seen == []


async def test_once_it_works_again_the_effect_is_performed_and_its_own_tries_are_all_there() -> None:
    world = World(asking("redact", allows=redacted))
    world.pool.fails = ExecutorFailed("x", kind="TimedOut")
    waiting = await world.once()
    assert isinstance(waiting, Pending)
    calls = world.pool.calls
    assert isinstance(await world.once(), Pending)  # woken before its time
    assert world.pool.calls == calls
    world.pool.fails = None
    assert waiting.wake_at is not None
    world.clock.jump(waiting.wake_at)
    outcome = (await world.perform()).outcome
    assert (outcome.status, len(world.vendor.seen)) == (Status.OK, 1)


async def test_an_effect_is_rerouted_to_a_region_that_fits_and_to_no_other() -> None:
    gateway = Gateway()
    gateway.register("claims", "reader", cast(Any, None), region="us-east-1")
    gateway.register("claims", "reader", cast(Any, None), region="eu-west-1", stand_in=True)
    world = World(asking("reroute:eu", allows=lambda facts: facts.get("region") == "eu-west-1"), gateway=gateway)
    assert (await world.perform()).outcome.status is Status.OK
    assert world.vendor.regions == ["eu-west-1"]
    nowhere = World(asking("reroute:ap", allows=lambda facts: "region" in facts), gateway=gateway)
    assert (await nowhere.perform()).outcome.status is Status.DENIED


async def test_two_cures_add_up() -> None:
    gateway = Gateway()
    gateway.register("claims", "reader", cast(Any, None), region="eu", stand_in=True)
    both = asking("reroute:eu", "redact", allows=lambda facts: redacted(facts) and facts.get("region") == "eu")
    world = World(both, gateway=gateway)
    assert (await world.perform({"email": "a@example.org"})).outcome.status is Status.OK
    assert (world.vendor.seen, world.vendor.regions) == ([{"email": "EMAIL_ADDRESS_1"}], ["eu"])


async def test_a_call_still_reaches_where_it_goes() -> None:
    world = World(asking("redact", allows=redacted), kind=Kind.FETCH)
    request = {"url": "https://api.example.org/v1?email=a%40example.org&n=1", "method": "POST", "headers": {"authorization": "Bearer abcdefghijkl"},
               "body": {"phone": "+44 20 7946 0958"}}  # fmt: skip
    await world.perform(request)
    assert world.vendor.seen == [
        {**request, "url": "https://api.example.org/v1?email=EMAIL_ADDRESS_1&n=1", "body": {"phone": "PHONE_NUMBER_1"}}
    ]


async def test_types_can_be_named_and_an_unknown_one_releases_nothing() -> None:
    world = World(asking("redact:ip_address", allows=redacted))
    await world.perform({"note": "a@example.org 10.20.30.40"})
    assert world.vendor.seen == [{"note": "a@example.org IP_ADDRESS_1"}]
    odd = World(asking("redact:shoe_size", allows=redacted))
    assert isinstance(await odd.once(), Pending)
    assert "not known" in odd.failures()[0].error["message"]


def test_what_names_a_document_stays_and_what_names_a_person_goes() -> None:
    document: dict[str, Any] = {
        "id": "doc_" + "0" * 32,
        "filename": "Radia.png",
        "media_type": "image/png",
        "sha256": "f" * 64,
        "size_bytes": 9,
        "pages": 1,
    }
    value = {"documents": [document]}
    assert "/documents/0/id" in oblige.spared(value)
    assert "/documents/0/filename" not in oblige.spared(value)
    painted = {document["id"]: {"sha256": "0" * 64, "size_bytes": 7}}
    (left,) = oblige.renamed(value, painted)["documents"]
    assert left == {**document, "filename": "document.png", "sha256": "0" * 64, "size_bytes": 7}

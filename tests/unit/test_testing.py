"""`interlock.testing` on a small automation: every branch, each effect failing once, a clock that jumps, journals that replay."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from interlock import (
    Denied,
    EffectFailed,
    Endpoint,
    NonRetryable,
    Prediction,
    Retry,
    Task,
    Verdict,
    automation,
    current_step,
    step,
)
from interlock.domain.effects import Kind, Status
from interlock.domain.errors import ConfigurationError, Conflict, InvalidInput, Nondeterministic, NotFound
from interlock.domain.manifests import Manifest
from interlock.domain.tasks import State
from interlock.governance.decide import Bundle
from interlock.orchestration.automations import Registered
from interlock.testing import Answered, Harness, Result, replay


class Refund(BaseModel):
    order: str
    amount: Decimal


class Reading(BaseModel):
    reason: str


class Form(BaseModel):
    amount: Decimal
    note: str = ""


class Outcome(BaseModel):
    decision: str
    amount: Decimal | None = None
    by: str | None = None
    paid_on: datetime | None = None


mail_reader = Endpoint("mail-reader", Refund, Reading)
done: list[str] = []


@step
def find_order(order: str) -> Decimal:
    return Decimal(100)


@step(retry=Retry(attempts=3, initial_s=60))
async def block_money(order: str, amount: Decimal) -> str:
    done.append("block")
    return f"block-{order}"


@step(retry=Retry(attempts=3, initial_s=0.5, jitter=0))
async def pay(order: str, amount: Decimal) -> str:
    done.append(f"pay {amount}")
    return current_step().idempotency_key


@step
def unblock_money(blocked: str) -> None:
    done.append("unblock")


@step(at_most_once=True)
def send_voucher(order: str) -> None:
    done.append("voucher")


@automation
async def refund(task: Task, request: Refund) -> Outcome:
    prediction, price = await asyncio.gather(
        task.infer(mail_reader, request, name="read-mail"), task.step(find_order, request.order)
    )
    if not (await task.reserve("refunded", [request.order])).held:
        return Outcome(decision="duplicate")
    facts = {"amount": request.amount, "price": price, "confidence": prediction.confidence}
    decision = await task.decide("pay-back", facts)
    if decision.answer == "deny":
        return Outcome(decision="rejected", by="policy")
    amount, by = request.amount, "policy"
    if decision.answer == "needs_review":
        answer = await task.review(
            "approve-refund", Form(amount=amount), title=prediction.value.reason, deadline=timedelta(days=2)
        )
        if answer.verdict == Verdict.EXPIRED:
            return Outcome(decision="expired")
        if not answer.approved:
            return Outcome(decision="rejected", by=answer.by)
        amount, by = answer.values.amount, answer.by or ""
    blocked = await task.step(block_money, request.order, amount)
    try:
        await task.sleep(timedelta(days=1))
        await task.step(pay, request.order, amount)
    except (EffectFailed, asyncio.CancelledError):
        await task.step(unblock_money, blocked)
        raise
    await task.emit("refund.paid", {"order": request.order})
    return Outcome(decision="approved", amount=amount, by=by, paid_on=await task.now())


@automation
async def changed(task: Task, request: Refund) -> Outcome:
    price = await task.step(find_order, request.order)
    await task.step(block_money, request.order, price)
    return Outcome(decision="approved")


REQUEST = Refund(order="o1", amount=Decimal("12.30"))


def policy(action: str, facts: Mapping[str, Any]) -> str:
    assert action == "pay-back"
    if facts["amount"] > facts_price(facts):
        return "deny"
    return "allow" if facts["amount"] < 50 else "needs_review"


def facts_price(facts: Mapping[str, Any]) -> Decimal:
    assert isinstance(facts["amount"], Decimal)  # the policy is asked with the types that the author gave
    return Decimal(facts["price"])


def harness(**more: Any) -> Harness:
    done.clear()
    reads = {
        "mail-reader": lambda request: Prediction(value=Reading(reason="broken"), confidence=0.9, model_version="m@1")
    }
    return Harness(**{"automation": refund, "predictors": reads, "decide": policy, **more})


# Its branches.


async def test_what_the_policy_allows_goes_through() -> None:
    testing = harness()
    result = await testing.run(REQUEST)
    assert result.state is State.SUCCEEDED
    assert result.output["decision"] == "approved"
    assert result.output["by"] == "policy"
    assert result.names == [
        "read-mail", "find-order", "reserve", "pay-back", "block-money", "sleep", "pay", "emit", "now",
    ]  # fmt: skip
    assert done == ["block", "pay 12.30"]
    assert result.effect("read-mail").outcome.confidence == 0.9
    assert result.effect("pay").value == f"{result.task_id}:/pay#1"


async def test_the_clock_jumps_over_a_sleep_and_stands_still_otherwise() -> None:
    testing = harness()
    result = await testing.run(REQUEST)
    assert testing.clock.now() - testing.start == timedelta(days=1)
    assert result.output["paid_on"] == testing.clock.now().isoformat().replace("+00:00", "Z")
    assert [(m.at - testing.start).days for m in result.timeline if m.what == "task.waiting"] == [0]


async def test_what_the_policy_denies_is_rejected() -> None:
    result = await harness().run({"order": "o1", "amount": "120"})
    assert result.output == {"decision": "rejected", "amount": None, "by": "policy", "paid_on": None}
    assert done == []


async def needs_review(**more: Any) -> Harness:
    testing = harness(**more)
    result = await testing.run({"order": "o1", "amount": "60"})
    assert result.state is State.WAITING
    return testing


async def test_an_open_review_waits_for_its_answer() -> None:
    testing = await needs_review()
    assert [(r.name, r.request.title) for r in testing.open_reviews] == [("approve-refund", "broken")]
    result = await testing.answer("approve-refund", "approve", by="user:mia")
    assert (result.state, result.output["by"]) == (State.SUCCEEDED, "user:mia")
    assert result.effect("approve-refund").outcome.by == "user:mia"


async def test_a_rejection() -> None:
    result = await (await needs_review()).answer("approve-refund", Verdict.REJECT, reason="no")
    assert result.output["decision"] == "rejected"
    assert result.effect("approve-refund").value["reason"] == "no"


async def test_an_amendment_keeps_what_it_changed() -> None:
    result = await (await needs_review()).answer("approve-refund", "amend", values={"amount": "55.00"})
    assert result.output["amount"] == "55.00"
    (change,) = result.effect("approve-refund").value["changes"]
    assert change == {"pointer": "/amount", "before": "60", "after": "55.00"}


async def test_nobody_answers_before_the_deadline() -> None:
    testing = await needs_review()
    assert (await testing.advance(timedelta(days=2, seconds=-1))).state is State.WAITING
    result = await testing.advance(timedelta(seconds=1))
    assert (result.state, result.output["decision"]) == (State.SUCCEEDED, "expired")
    assert result.effect("approve-refund").status is Status.EXPIRED
    with pytest.raises(NotFound):
        await testing.answer("approve-refund", "approve")


async def test_a_late_answer_is_refused() -> None:
    testing = await needs_review()
    (review,) = testing.open_reviews
    testing.clock.advance(timedelta(days=3))
    with pytest.raises(Conflict):
        await testing.answer("approve-refund", "approve")
    assert review.answer is None


async def test_values_go_with_an_amendment_only() -> None:
    testing = await needs_review()
    with pytest.raises(InvalidInput):
        await testing.answer("approve-refund", "approve", values={"amount": "1"})


@pytest.mark.parametrize("script", [["approve"], [Answered(verdict="approve")], lambda request: "approve"])
async def test_a_scripted_answer_needs_nobody(script: Any) -> None:
    result = await harness(reviews={"approve-refund": script}).run({"order": "o1", "amount": "60"})
    assert result.output["decision"] == "approved"


async def test_a_scripted_answer_may_take_its_time() -> None:
    late = Answered(verdict="approve", after=timedelta(hours=5))
    testing = harness(reviews={"approve-refund": [late]})
    await testing.run({"order": "o1", "amount": "60"})
    assert testing.clock.now() - testing.start == timedelta(days=1, hours=5)
    too_late = Answered(verdict="approve", after=timedelta(days=5))
    result = await harness(reviews={"approve-refund": [too_late]}).run({"order": "o1", "amount": "60"})
    assert result.output["decision"] == "expired"


async def test_the_second_task_finds_what_the_first_reserved() -> None:
    testing = harness()
    first = await testing.run(REQUEST)
    second = await testing.run(REQUEST)
    assert second.output["decision"] == "duplicate"
    assert second.effect("reserve").value["holders"] == {"o1": first.task_id}


# Retries, failures, cancellation.


async def test_a_step_that_fails_twice_works_at_its_third_attempt_under_the_same_key() -> None:
    keys: list[str] = []

    def broken_twice(order: str, amount: Decimal) -> str:
        keys.append(current_step().idempotency_key)
        if current_step().attempt < 3:
            raise ConnectionError("no")
        return "paid"

    testing = harness(steps={pay: broken_twice})
    result = await testing.run(REQUEST)
    assert result.effect("pay").attempts == 3
    assert len(set(keys)) == 1
    assert [m.detail for m in result.timeline if m.what == "effect.attempt-failed"] == ["no", "no"]
    assert testing.clock.now() - testing.start == timedelta(days=1, seconds=0.5 + 1)


async def test_a_long_pause_between_attempts_suspends_the_task() -> None:
    def broken_once(order: str, amount: Decimal) -> str:
        if current_step().attempt == 1:
            raise ConnectionError
        return "blocked"

    testing = harness(steps={"block-money": broken_once})
    result = await testing.run(REQUEST)
    assert result.effect("block-money").attempts == 2
    assert sum(m.what == "task.waiting" for m in result.timeline) == 2
    assert testing.clock.now() - testing.start == timedelta(days=1, seconds=60)


async def test_what_cannot_be_retried_fails_at_once() -> None:
    def never(order: str, amount: Decimal) -> str:
        raise NonRetryable("closed account")

    result = await harness(steps={pay: never}).run(REQUEST)
    assert result.state is State.FAILED
    assert result.error is not None
    assert (result.error["kind"], result.error["effect"]) == ("NonRetryable", "pay")
    assert done == ["block", "unblock"]


def failing_first(made: list[str]) -> Callable[[str, Decimal], str]:
    def call(order: str, amount: Decimal) -> str:
        made.append(order)
        if len(made) == 1:
            raise NonRetryable("not now")
        return "done"

    return call


async def test_a_failed_task_is_tried_again_from_where_it_failed() -> None:
    made: list[str] = []
    testing = harness(steps={"block-money": failing_first(made)})
    failed = await testing.run(REQUEST)
    assert failed.state is State.FAILED
    retried = await testing.retry()
    assert (retried.state, retried.names[: len(failed.names) - 1]) == (State.SUCCEEDED, failed.names[:-1])
    assert len(made) == 2
    with pytest.raises(Conflict, match="Only a failed task"):
        await testing.retry()


async def test_a_task_that_acted_after_its_failure_is_not_tried_again() -> None:
    testing = harness(steps={"pay": failing_first([])})
    assert (await testing.run(REQUEST)).state is State.FAILED
    with pytest.raises(Conflict, match="went on to unblock-money"):
        await testing.retry()


async def test_each_effect_failing_once_and_for_good() -> None:
    cases = [case async for case in harness().each_effect_failing_once(REQUEST)]
    assert [(str(case), case.result.state.value) for case in cases] == [
        ("/t#1/read-mail#1 failing once", "failed"),
        ("/t#1/read-mail#1 failing for good", "failed"),
        ("/t#2/find-order#1 failing once", "succeeded"),
        ("/t#2/find-order#1 failing for good", "failed"),
        ("/reserve#1 failing once", "failed"),
        ("/reserve#1 failing for good", "failed"),
        ("/block-money#1 failing once", "succeeded"),
        ("/block-money#1 failing for good", "failed"),
        ("/pay#1 failing once", "succeeded"),
        ("/pay#1 failing for good", "failed"),
    ]
    assert cases[-1].result.names[-2:] == ["pay", "unblock-money"]  # the money is not left blocked
    assert cases[-1].result.effect("pay").status is Status.FAILED
    assert cases[-2].result.effect("pay").attempts == 2


async def test_a_cancelled_task_compensates() -> None:
    seen: list[State] = []

    @automation
    async def waits(task: Task, request: Refund) -> Outcome:
        blocked = await task.step(block_money, request.order, request.amount)
        try:
            await task.review("approve-refund", Form(amount=request.amount), title="?")
        except asyncio.CancelledError:
            await task.step(unblock_money, blocked)
            raise
        return Outcome(decision="approved")

    testing = harness(automation=waits)
    seen.append((await testing.run(REQUEST)).state)
    result = await testing.cancel()
    assert seen == [State.WAITING]
    assert result.state is State.CANCELLED
    assert result.names == ["block-money", "cancel", "unblock-money"]
    assert done == ["block", "unblock"]
    assert testing.open_reviews == []
    assert replay(waits, result.journal).state is State.CANCELLED


async def test_an_effect_that_the_policy_denies_raises_denied() -> None:
    @automation
    async def tries(task: Task, request: Refund) -> Outcome:
        try:
            await task.step(send_voucher, request.order)
        except Denied as error:
            return Outcome(decision=str(error))
        return Outcome(decision="sent")

    result = await harness(automation=tries, denied=["step:send-voucher"]).run(REQUEST)
    assert result.output["decision"] == "send-voucher: The test denies it."
    assert done == []
    result = await harness(automation=tries).run(REQUEST)
    assert (result.output["decision"], done) == ("sent", ["voucher"])


async def test_a_timeout_of_the_test_s_time() -> None:
    @automation
    async def limited(task: Task, request: Refund) -> Outcome:
        try:
            async with task.timeout(timedelta(hours=1)):
                await task.review("approve-refund", Form(amount=request.amount), title="?")
        except TimeoutError:
            return Outcome(decision="late")
        return Outcome(decision="in time")

    testing = harness(automation=limited)
    assert (await testing.run(REQUEST)).state is State.WAITING
    assert (await testing.advance(timedelta(hours=1))).output["decision"] == "late"
    testing = harness(automation=limited)
    await testing.run(REQUEST)
    assert (await testing.answer("approve-refund", "approve")).output["decision"] == "in time"


async def test_fetch_is_given() -> None:
    @automation
    async def fetches(task: Task, request: Refund) -> Outcome:
        return Outcome(decision=(await task.fetch("https://rates.test/eur")).json()["rate"])

    result = await harness(automation=fetches, fetch=lambda request: {"rate": request["url"][-3:]}).run(REQUEST)
    assert result.output["decision"] == "eur"


async def test_a_wait_that_nothing_will_end_is_found() -> None:
    @automation
    async def hangs(task: Task, request: Refund) -> Outcome:
        await asyncio.Event().wait()
        return Outcome(decision="never")

    result = await harness(automation=hangs).run(REQUEST)
    assert result.state is State.FAILED
    assert result.error is not None
    assert result.error["kind"] == "WaitsForNothing"


async def test_an_effect_named_cancel_does_not_meet_the_cancellation_of_its_task() -> None:
    @automation
    async def cancels(task: Task, request: Refund) -> Outcome:
        await task.lookup("refunded", ["o1"], name="cancel")
        await task.review("approve-refund", Form(amount=request.amount), title="?")
        return Outcome(decision="approved")

    testing = harness(automation=cancels)
    await testing.run(REQUEST)
    result = await testing.cancel()
    assert result.state is State.CANCELLED
    assert [(row.kind, row.name) for row in result.effects] == [(Kind.STEP, "cancel"), (Kind.CANCEL, "cancel")]


async def test_a_registered_automation_brings_its_policy_and_its_declared_effects(tmp_path: Path) -> None:
    (tmp_path / "schema.cedarschema").write_text(SCHEMA)
    (tmp_path / "refund.cedar").write_text(RULES)
    manifest = Manifest(name="refund", version="1.2.0", owner="user:o", effects=("decide", "step:find-order"))
    registered = Registered(
        manifest=manifest, automation=asks, folder=tmp_path, digest="", bundle=Bundle.load([tmp_path])
    )
    result = await harness(automation=registered, decide=None).run(REQUEST)
    assert result.output["decision"] == "allow"
    assert result.journal["task"]["version"] == "1.2.0"

    registered = dataclasses.replace(registered, automation=refund)
    result = await harness(automation=registered).run(REQUEST)
    assert result.state is State.FAILED
    assert result.effect("read-mail").status is Status.DENIED  # it is not declared


# The same again.


@pytest.mark.parametrize("seed", range(10))
async def test_the_order_in_which_effects_end_changes_nothing(seed: int) -> None:
    result = await harness(seed=seed).run(REQUEST)
    assert result.output["decision"] == "approved"
    assert sorted(result.names)[:3] == ["block-money", "emit", "find-order"]
    assert replay(refund, result.journal).output == result.output


def test_the_order_really_is_shuffled() -> None:
    async def orders() -> set[tuple[str, ...]]:
        return {tuple((await harness(seed=seed).run(REQUEST)).names) for seed in range(10)}

    assert len(asyncio.run(orders())) > 1


async def test_a_task_that_is_woken_for_nothing_stands_where_it_stood() -> None:
    testing = await needs_review()
    result = await testing.replay()
    assert result.state is State.WAITING
    assert result.names == ["read-mail", "find-order", "reserve", "pay-back"]


async def journals_of_every_kind() -> list[Result]:
    waiting = await needs_review()
    expired = await needs_review()
    return [
        await harness().run(REQUEST),
        await harness(steps={pay: _broken}).run(REQUEST),
        await waiting.replay(),
        await expired.advance(timedelta(days=2)),
    ]


def _broken(order: str, amount: Decimal) -> str:
    raise NonRetryable("no")


async def test_journals_replay_from_their_files(tmp_path: Path) -> None:
    for number, result in enumerate(await journals_of_every_kind()):
        file = tmp_path / f"{number}.json"
        result.dump_journal(file)
        replayed = replay(refund, file)
        assert (replayed.state, replayed.output) == (result.state, result.output)


async def test_a_mutant_is_found_by_every_journal() -> None:
    for result in await journals_of_every_kind():
        with pytest.raises(Nondeterministic):
            replay(changed, result.journal)


async def test_another_result_is_found_although_the_effects_are_the_same() -> None:
    @automation
    async def other(task: Task, request: Refund) -> Outcome:
        outcome = await refund.function(task, request)
        return outcome.model_copy(update={"by": "nobody"})

    with pytest.raises(Nondeterministic, match="another result"):
        replay(other, (await harness().run(REQUEST)).journal)


async def test_changed_code_parks_the_task_and_restored_code_resumes_it() -> None:
    testing = await needs_review()
    parked = await testing.deploy(changed)
    assert parked.state is State.BLOCKED
    assert parked.error is not None
    assert parked.error["recorded"]["id"] == "/t#1/read-mail#1"
    assert parked.names == ["read-mail", "find-order", "reserve", "pay-back"]
    assert done == []
    assert (await testing.deploy(refund)).state is State.WAITING
    assert (await testing.answer("approve-refund", "approve")).state is State.SUCCEEDED


# Mistakes of the test say what to give.


async def _run(**more: Any) -> Result:
    return await harness(**more).run(REQUEST)


@automation
async def fetching(task: Task, request: Refund) -> Outcome:
    return Outcome(decision=(await task.fetch("https://x.test")).body)


MISSING: dict[str, Callable[[], Awaitable[Result]]] = {
    "predictors=": lambda: _run(predictors={}),
    "decide=": lambda: _run(decide=None),
    "fetch=": lambda: _run(automation=fetching),
}


@pytest.mark.parametrize("fix", MISSING)
async def test_what_a_harness_lacks_is_named(fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        await MISSING[fix]()


async def test_an_unknown_effect_lists_those_there_are() -> None:
    with pytest.raises(NotFound, match="read-mail, find-order"):
        (await harness().run(REQUEST)).effect("pray")


# A policy folder in place of `decide`.

SCHEMA = """
type RefundFacts = { amount: decimal };
action "refund.pay-back" appliesTo { principal: [Service], resource: [Task], context: RefundFacts };
"""
RULES = """
@id("small-refunds") @reason("Small refunds are paid.")
permit (principal is Service, action == Action::"refund.pay-back", resource is Task);
@id("large-refunds") @reason("A person looks at large refunds.") @review("finance")
forbid (principal is Service, action == Action::"refund.pay-back", resource is Task)
when { context.amount.greaterThan(decimal("50.00")) };
"""


@automation
async def asks(task: Task, request: Refund) -> Outcome:
    decision = await task.decide("pay-back", {"amount": request.amount})
    return Outcome(decision=decision.answer.value, by=decision.reasons[0].text)


async def test_a_policy_folder_decides(tmp_path: Path) -> None:
    (tmp_path / "schema.cedarschema").write_text(SCHEMA)
    (tmp_path / "refund.cedar").write_text(RULES)
    testing = harness(automation=asks, name="refund", decide=None, policy=tmp_path)
    assert (await testing.run(REQUEST)).output["decision"] == "allow"
    result = await testing.run({"order": "o2", "amount": "60"})
    assert (result.output["decision"], result.output["by"]) == ("needs_review", "A person looks at large refunds.")
    assert result.effect("pay-back").kind is Kind.DECIDE

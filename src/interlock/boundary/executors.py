"""The executors that need nothing but this machine: steps, registers, events, timers, the clock, policy questions, HTTP.

`infer` and `review` have their own: `boundary/infer.py` and `orchestration/review_effect.py`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from interlock.boundary.step_logs import StepLogs
from interlock.domain import canonical, needs
from interlock.domain.decisions import Decision
from interlock.domain.effects import Effect, Pending
from interlock.domain.errors import ExecutorFailed, Fenced, InterlockError
from interlock.domain.ports import Call, Executed
from interlock.domain.tasks import Claimed
from interlock.governance.connection_secrets import ConnectionSecrets, Opened, without
from interlock.governance.facts import untagged
from interlock.infra.child_pool import ChildPool
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.infra.http import GuardedClient

PLATFORM = "interlock:"


class Plain:
    """What most executors share: no opening, and nothing to close when the automation no longer wants the effect."""

    def opens(self, effect: Effect) -> bool:
        return False

    async def withdraw(self, effect: Effect, call: Call) -> None:
        return None


class NowExecutor(Plain):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        return Executed(value=self._clock.now().isoformat())


class SleepExecutor(Plain):
    """A timer: its opening holds when it ends, so that a worker that dies loses nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def opens(self, effect: Effect) -> bool:
        return True

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        assert call.opening is not None
        assert call.opening.wake_at is not None
        if self._clock.now() < call.opening.wake_at:
            return Pending(wake_at=call.opening.wake_at)
        return Executed()


class EmitExecutor(Plain):
    """The event is written with the record of the effect, so there is nothing left to do."""

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        return Executed()


class DecideExecutor(Plain):
    """Asks the automation's policy. The answer, a deny as well, is the effect's value."""

    def __init__(self, ask: Callable[[Claimed, str, Mapping[str, Any]], Awaitable[Decision]]) -> None:
        self._ask = ask

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        began = time.perf_counter()
        decision = await self._ask(call.task, effect.target, untagged(effect.input))
        return Executed(
            value={"answer": decision.answer.value},
            decision=decision,
            duration_ms=(time.perf_counter() - began) * 1000,
            by="policy",
        )


class StepExecutor:
    """Runs steps in child processes, and the registers of the platform in the database."""

    def __init__(
        self,
        pool: ChildPool,
        registers: Registers,
        config: Callable[[str], Mapping[str, Any]],
        secrets: ConnectionSecrets,
        logs: StepLogs,
    ) -> None:
        self._secrets = secrets
        self._logs = logs
        self._pool = pool
        self._registers = registers
        self._config = config

    def opens(self, effect: Effect) -> bool:
        return bool(effect.options.get("at_most_once"))

    async def withdraw(self, effect: Effect, call: Call) -> None:
        return None

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        if effect.target.startswith(PLATFORM):
            return await self._registers.execute(effect, call)
        arguments, left_out = needs.keep(effect.input, effect.options.get("needs", ()))
        secrets = await _opened(self._secrets, call, effect.options.get("secrets", ()))
        body = {
            "target": effect.target,
            "arguments": arguments,
            "call": {
                "idempotency_key": call.idempotency_key,
                "attempt": call.attempt,
                "task_id": call.task.info.id,
                "config": self._config(call.task.info.automation),
                "secrets": {name: one.value for name, one in secrets.items()},
            },
        }
        timeout_s = float(effect.options["timeout_s"])
        written = self._logs.attempt(call, effect.id)
        try:
            result = await self._pool.call(body, timeout_s=timeout_s, told=written.told)
        except ExecutorFailed as error:
            detail = without(error.detail, secrets)
            raise ExecutorFailed(detail, kind=error.kind, retry=error.retry, fix=error.fix) from None
        finally:
            written.end()
        _check_kept(result.value, secrets)
        return Executed(
            value=result.value,
            cpu_ms=result.cpu_ms,
            duration_ms=result.duration_ms,
            left_out=left_out,
            secrets=tuple(sorted(one.label for one in secrets.values())),
        )


async def _opened(store: ConnectionSecrets, call: Call, names: Iterable[str]) -> dict[str, Opened]:
    wanted = sorted(set(names))
    return await store.open(call.task.info.tenant, call.task.info.automation, wanted) if wanted else {}


def _check_kept(value: Any, secrets: Mapping[str, Opened]) -> None:
    """Refuse an answer in which a secret stands: it would be recorded."""
    if not secrets:
        return
    text = canonical.dumps(value).decode()
    for name, one in secrets.items():
        if orjson.dumps(one.value).decode()[1:-1] in text:
            raise ExecutorFailed(
                f"The answer holds the secret {name!r}, so it is not recorded.",
                kind="SecretLeaked",
                retry=False,
                fix="Return what the automation needs, and rotate the secret.",
            )


class Registers:
    """Keys that are unique in a tenant. Repeating a call by the same task gives the same answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def execute(self, effect: Effect, call: Call) -> Executed:
        _, verb, register = effect.target.split(":", 2)
        keys = sorted(set(effect.input["keys"]))
        info = call.task.info
        async with self._database.tenant(info.tenant) as conn:
            fence = "select 1 from tasks where tenant = current_tenant() and id = %s and epoch = %s for share"
            if await (await conn.execute(fence, (info.id, call.task.epoch))).fetchone() is None:
                raise Fenced  # an owner that was paused must not take, or give back, what its successor decides on
            if verb == "reserve" and keys:
                # In the order of the keys, so that two tasks that want the same ones never wait for each other.
                await conn.execute(
                    "insert into reservations (tenant, register, key, task_id)"
                    " select current_tenant(), %s, k, %s from unnest(%s::text[]) k order by k on conflict do nothing",
                    (register, info.id, keys),
                )
            if verb == "release":
                await conn.execute(
                    "delete from reservations where tenant = current_tenant() and register = %s and task_id = %s and key = any(%s)",
                    (register, info.id, keys),
                )
            rows = await (
                await conn.execute(
                    "select key, task_id from reservations where tenant = current_tenant() and register = %s and key = any(%s)",
                    (register, keys),
                )
            ).fetchall()
            holders = dict(sorted(rows))
            held = all(holders.get(key) == info.id for key in keys)
            if verb == "reserve" and not held:  # all or none
                await conn.execute(
                    "delete from reservations r where r.tenant = current_tenant() and r.register = %s and r.task_id = %s"
                    " and r.key = any(%s) and r.xmin = pg_current_xact_id()::xid",
                    (register, info.id, keys),
                )
        return Executed(value={"held": held, "holders": holders})


class FetchExecutor:
    """Calls a third party behind the address guard. Opened first, so that data that left is known even if we die."""

    def __init__(self, client: GuardedClient, secrets: ConnectionSecrets) -> None:
        self._client = client
        self._secrets = secrets

    def opens(self, effect: Effect) -> bool:
        return True

    async def withdraw(self, effect: Effect, call: Call) -> None:
        return None

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        request = effect.input
        content, left_out = needs.keep(request["body"], effect.options.get("needs", ()))
        named: Mapping[str, str] = effect.options.get("secrets", {})
        secrets = await _opened(self._secrets, call, named.values())
        _check_host(request["url"], secrets)
        signed = {header: secrets[name].value for header, name in named.items()}
        headers = {"idempotency-key": call.idempotency_key, **request["headers"], **signed}
        began = time.perf_counter()
        try:
            if request["method"].upper() == "GET":
                response = await self._client.get(request["url"], headers)
            elif request["method"].upper() == "POST":
                body = b"" if content is None else canonical.dumps(content)
                response = await self._client.post(
                    request["url"], body, {"content-type": "application/json", **headers}
                )
            else:
                raise ExecutorFailed(f"method {request['method']}: use GET or POST", kind="InvalidMethod", retry=False)
        except InterlockError as error:
            detail = without(error.detail, secrets)
            raise ExecutorFailed(detail, kind=type(error).__name__, retry=error.retryable) from error
        if response.status >= 500 or response.status == 429:
            raise ExecutorFailed(f"the server answered {response.status}", kind="ServerError")
        value = {
            "status": response.status,
            "body": response.body.decode(errors="replace"),
            "headers": {k: v for k, v in response.headers.items() if k in ("content-type", "etag", "last-modified")},
        }
        _check_kept(value, secrets)
        return Executed(
            value=value,
            duration_ms=(time.perf_counter() - began) * 1000,
            left_out=left_out,
            secrets=tuple(sorted(one.label for one in secrets.values())),
        )


def _check_host(url: str, secrets: Mapping[str, Opened]) -> None:
    """Refuse to send a secret to a host that it is not meant for, or in the clear to another machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    for name, one in secrets.items():
        if host not in one.hosts:
            raise ExecutorFailed(
                f"The secret {name!r} is not for the host {host!r}.",
                kind="SecretMisdirected",
                retry=False,
                fix=f"Set it again with --host {host}, if it is.",
            )
        if parts.scheme != "https" and host not in ("localhost", "127.0.0.1", "::1"):
            raise ExecutorFailed(
                f"The secret {name!r} would leave in the clear.",
                kind="SecretMisdirected",
                retry=False,
                fix="Use https.",
            )

"""The policies in force in a tenant: what is shipped and each automation's own, with the tenant's set over them.

A change is in force in every process within `REFRESH_S`. A set that only looks on (shadow) is asked too; where it would have
answered otherwise, that is counted, and nothing else comes of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from interlock.domain import canonical
from interlock.domain.decisions import Decision, Question
from interlock.domain.errors import ConfigurationError
from interlock.governance.decide import Bundle
from interlock.governance.facts import PolicyError
from interlock.governance.policies import ROLES, SCHEMA_FILE
from interlock.infra.database import Database

log = structlog.get_logger("interlock.policies")
REFRESH_S: Final = 1.0
DIFFERENCES_MAX: Final = 1_000
REMEMBERED_MAX: Final = 4_096

_NOW: Final = b"""
select n.active, n.shadow, a.files::text, s.files::text from (select 1) one
left join policy_now n on n.tenant = current_tenant()
left join policy_sets a on a.tenant = current_tenant() and a.number = n.active
left join policy_sets s on s.tenant = current_tenant() and s.number = n.shadow"""
_DIFFER: Final = b"""
insert into policy_differences (tenant, set_number, key, action, answer, would_be, reasons, would_be_reasons, count)
select current_tenant(), d.set_number, d.key, d.action, d.answer, d.would_be, d.reasons, d.would_be_reasons, d.count
from json_to_recordset($1::json) as d(set_number int, key text, action text, answer text, would_be text, reasons text[],
    would_be_reasons text[], count bigint)
on conflict (tenant, set_number, key) do update
    set count = policy_differences.count + excluded.count, last_at = excluded.last_at"""


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What the code brings: of each automation its bundle, its policy folder where it has one, and what it declares; and every role.

    Attributes:
        effects: what each automation declares to do. facts: what it tells policies of an effect, by kind and target.
    """

    base: Bundle
    bundles: Mapping[str, Bundle]
    folders: Mapping[str, Path]
    effects: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Callable[[str, str], tuple[tuple[str, Any], ...]]] = field(default_factory=dict)
    roles: frozenset[str] = ROLES

    def compose(self, automation: str | None, files: Mapping[str, str]) -> Bundle:
        """Give the bundle of an automation (None: of everything else) with a tenant's files over it.

        Raises:
            ConfigurationError: names file, policy and fix.
        """
        own = [self.folders[automation]] if automation is not None and automation in self.folders else []
        schemas = [f for f in self.folders.values() if (f / SCHEMA_FILE).exists()]
        texts = {name: text for name, text in files.items() if name.endswith(".cedar")}
        return Bundle.load(own, schemas=schemas, texts=texts, roles=self.roles)

    def check(self, files: Mapping[str, str]) -> None:
        """Compile every bundle with the files; raises ConfigurationError for the first that is wrong."""
        for automation in (None, *self.bundles):
            self.compose(automation, files)


class Looking(Bundle):
    """A bundle that decides, beside one that only looks on; what the other would have answered otherwise is noted."""

    def __init__(self, active: Bundle, shadow: Bundle, note: Counter[tuple[str, str, str, str, str]]) -> None:
        super().__init__(active.rules, cache_size=0)
        self._active, self._shadow, self._note = active, shadow, note

    def decide(self, question: Question) -> Decision:
        decision = self._active.decide(question)
        try:
            other = self._shadow.decide(question)
            would_be, reasons = other.answer.value, _ids(other)
            same = (would_be, other.obligations) == (decision.answer.value, decision.obligations)
        except PolicyError:
            would_be, reasons, same = "error", "", False
        if not same and len(self._note) < DIFFERENCES_MAX:
            self._note[question.action, decision.answer.value, would_be, _ids(decision), reasons] += 1
        return decision


def _ids(decision: Decision) -> str:
    return " ".join(sorted(reason.policy for reason in decision.reasons))


class Deciding:
    """The bundles of one tenant at one time, each made when it is first asked."""

    def __init__(
        self, shipped: Shipped, active: int, shadow: int, files: Mapping[str, str], looking_on: Mapping[str, str] | None
    ) -> None:
        self.active = active
        self.shadow = shadow
        self.differences: Counter[tuple[str, str, str, str, str]] = Counter()
        self._shipped = shipped
        self._files = files
        self._looking_on = looking_on
        self._bundles: dict[str | None, Bundle] = {}
        self._effects: dict[tuple[str, ...], Decision] = {}

    def known(self, effect: tuple[str, ...]) -> Decision | None:
        """Give what was decided about an effect that is asked about by nothing but this."""
        return self._effects.get(effect)

    def remember(self, effect: tuple[str, ...], decision: Decision) -> Decision:
        """Keep a decision for as long as these policies are in force; gives it."""
        if len(self._effects) >= REMEMBERED_MAX:
            self._effects.clear()
        self._effects[effect] = decision
        return decision

    def bundle(self, automation: str | None = None) -> Bundle:
        """Give the bundle of an automation, or the one of everything that is not an automation's.

        Raises:
            ConfigurationError: the tenant's set does not fit the automations that are deployed now.
        """
        key = automation if automation in self._shipped.bundles else None
        found = self._bundles.get(key)
        if found is None:
            found = self._bundles[key] = self._made(key)
        return found

    def alone(self) -> Deciding:
        """Give the same policies with none that look on: what is only tried out is no decision, and no difference to one."""
        return Deciding(self._shipped, self.active, 0, self._files, None) if self.shadow else self

    def shipped(self, automation: str | None = None) -> Bundle:
        """Give what decides without the tenant's own set: what an emergency elevation is held to."""
        return self._shipped.bundles.get(automation or "", self._shipped.base)

    def about_policies(self) -> tuple[Bundle, str | None]:
        """Give what decides about the policies themselves, and what is wrong with the tenant's set, if anything is.

        A set that no longer fits what is deployed decides nothing; then the shipped policies say who may replace it.
        """
        try:
            for automation in (None, *self._shipped.bundles):
                self.bundle(automation)
            return self.bundle(), None
        except ConfigurationError as error:
            return self._shipped.base, " ".join(filter(None, (error.detail, error.fix)))

    def _made(self, automation: str | None) -> Bundle:
        plain = self._shipped.base if automation is None else self._shipped.bundles[automation]
        active = self._shipped.compose(automation, self._files) if self.active else plain
        if not self.shadow:
            return active
        other = plain if self._looking_on is None else self._shipped.compose(automation, self._looking_on)
        return Looking(active, other, self.differences)


class TenantPolicies:
    """Gives what decides in a tenant now."""

    def __init__(self, database: Database, shipped: Shipped) -> None:
        self.shipped = shipped
        self._database = database
        self._known: dict[str, tuple[float, Deciding]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._untouched = Deciding(shipped, 0, 0, {}, None)  # most tenants have no set of their own, and share this

    async def current(self, tenant: str) -> Deciding:
        """Give what decides, at most `REFRESH_S` old. Raises Unavailable where the database does not answer: nothing is decided."""
        known = self._known.get(tenant)
        if known is not None and time.monotonic() - known[0] < REFRESH_S:
            return known[1]
        async with self._locks.setdefault(tenant, asyncio.Lock()):
            known = self._known.get(tenant)
            if known is not None and time.monotonic() - known[0] < REFRESH_S:
                return known[1]
            if known is not None and known[1].differences:
                await self._flush(tenant, known[1])
            began = time.monotonic()
            ((active, shadow, files, looking_on),) = await self._database.fetch(tenant, _NOW, ())
            active, shadow = active or 0, shadow or 0
            if known is not None and (known[1].active, known[1].shadow) == (active, shadow):
                deciding = known[1]
            elif not active and not shadow:
                deciding = self._untouched
            else:
                looks = None if looking_on is None else canonical.loads(looking_on)
                texts = {} if files is None else canonical.loads(files)
                deciding = Deciding(self.shipped, active, shadow, texts, looks)
                problem = (await asyncio.to_thread(deciding.about_policies))[
                    1
                ]  # compiles everything, beside the event loop
                log.info("policies_in_force", active=active, shadow=shadow, problem=problem)
            self._known[tenant] = began, deciding
            return deciding

    def held(self, tenant: str) -> Deciding:
        """Give what `current` gave last, for code inside a transaction; raises PolicyError before the first time."""
        known = self._known.get(tenant)
        if known is None:
            raise PolicyError("The tenant's policies were not read yet.", fix="Try again.")
        return known[1]

    def forget(self, tenant: str) -> None:
        """Read anew at the next question, since this process just changed them."""
        if tenant in self._known:
            self._known[tenant] = float("-inf"), self._known[tenant][1]

    async def flush(self) -> None:
        """Write what was noted of sets that look on; call before the process ends."""
        for tenant, (_, deciding) in list(self._known.items()):
            if deciding.differences:
                await self._flush(tenant, deciding)

    async def _flush(self, tenant: str, deciding: Deciding) -> None:
        noted, rows = deciding.differences.copy(), []
        for (action, answer, would_be, reasons, others), count in noted.items():
            row: dict[str, Any] = {"action": action, "answer": answer, "would_be": would_be}
            lists = {"reasons": _array(reasons.split()), "would_be_reasons": _array(others.split())}
            key = hashlib.sha256(canonical.dumps([action, answer, would_be, reasons, others])).hexdigest()
            rows.append({**row, **lists, "set_number": deciding.shadow, "key": key, "count": count})
        await self._database.together(tenant, [(_DIFFER, (canonical.dumps(rows).decode(),))])
        deciding.differences.subtract(noted)
        for key_ in [k for k, left in deciding.differences.items() if left <= 0]:
            del deciding.differences[key_]


def _array(ids: Sequence[str]) -> str:
    """Give PostgreSQL's text form of a list of policy IDs."""
    quoted = ('"' + id_.replace("\\", "\\\\").replace('"', '\\"') + '"' for id_ in ids)
    return "{" + ",".join(quoted) + "}"


def version_of(files: Mapping[str, str]) -> str:
    """Give the digest (SHA-256, hex) of a set of files."""
    return canonical.digest(dict(files)).hex()

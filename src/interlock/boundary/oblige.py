"""What may cure an effect of what the policy is against: remove personal data from it, or have it done elsewhere.

    decide → (denied, with remedies) → cure → decide again, with the new facts → perform, or stay denied

The cured effect keeps its ID and digest; its input, the files that go with it and its region stand in its place. `finish` maps back what the
vendor answered. A remedy that is for people (`escalate`, `review:2`) or that does not help here cures nothing.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from interlock.data.document_store import DocumentStore
from interlock.domain.effects import Effect, Kind, Outcome
from interlock.domain.errors import Conflict, DocumentChanged, ExecutorFailed, InvalidInput, NotFound
from interlock.domain.pointers import step
from interlock.domain.ports import Call, PseudonymStore
from interlock.governance.redaction.findings import TYPES, RedactionFailed
from interlock.governance.redaction.pseudonyms import restore
from interlock.infra.child_pool import ChildPool

FACTS: Final = "facts"
CURED: Final = "cured"
Elsewhere = Callable[[str, str, str], str | None]
"""Gives the region of an automation's endpoint that fits the wanted one; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Cured:
    """What stands in the place of what was asked for.

    Attributes:
        names: pseudonym → value, to map the answer back. files: by document ID, what goes instead; None: the files as they are.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[Mapping[str, Any], ...] = ()
    files: Mapping[str, bytes] | None = None
    region: str | None = None


def facts(effect: Effect) -> Mapping[str, Any]:
    """Give what the policy is told of a cured effect beside its kind and name: `redacted`, `region`."""
    found: Mapping[str, Any] = effect.options.get(FACTS, {})
    return found


def cured(effect: Effect) -> Cured | None:
    """Give what stands in the place of what was asked for, None where the effect is as it was asked."""
    found: Cured | None = effect.options.get(CURED)
    return found


def finish(effect: Effect, outcome: Outcome) -> Outcome:
    """Put values back for pseudonyms in an outcome, and say what had been removed."""
    done = cured(effect)
    if done is None:
        return outcome
    return replace(
        outcome,
        value=restore(outcome.value, done.names),
        error=restore(outcome.error, done.names),
        redactions=(*done.removed, *outcome.redactions),
    )


class Obliger:
    """`cure` is the verb."""

    def __init__(
        self,
        *,
        pool: ChildPool,
        pseudonyms: PseudonymStore,
        documents: DocumentStore | None,
        elsewhere: Elsewhere,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._pseudonyms = pseudonyms
        self._documents = documents
        self._elsewhere = elsewhere
        self._timeout_s = timeout_s
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def cure(self, remedy: str, effect: Effect, call: Call) -> Effect | None:
        """Give the effect cured by a remedy; None where this one does not help.

        Raises:
            RedactionFailed: what was to be removed could not be; nothing leaves, and the boundary tries it again, or fails the effect. Fenced.
        """
        verb, _, argument = remedy.partition(":")
        if verb == "redact":
            return await self._redacted(effect, call, _types(argument))
        if verb == "reroute" and effect.kind is Kind.INFER:
            return self._rerouted(effect, call, argument)
        return None

    def _rerouted(self, effect: Effect, call: Call, wanted: str) -> Effect | None:
        region = self._elsewhere(call.task.info.automation, effect.target, wanted)
        if region is None:
            return None
        return _with(effect, replace(cured(effect) or Cured(), region=region), {"region": region})

    async def _redacted(self, effect: Effect, call: Call, types: Sequence[str]) -> Effect:
        files = await self._files(effect, call)
        whole, part = _leaving(effect)
        body = {"value": part, "types": list(types), "spared": spared(part)}
        # One effect of a task at a time: two at once would give out one number for two values.
        async with self._turn(call):
            try:
                known = await self._pseudonyms.known(call.task)
                result = await self._pool.call({**body, "known": known}, files, timeout_s=self._timeout_s)
                await self._pseudonyms.keep(call.task, result.value["fresh"])
            except ExecutorFailed as error:
                # Without its words: what a library says of a text may quote it.
                raise RedactionFailed(
                    f"Personal data could not be removed ({error.kind}), so nothing was sent.",
                    fix="See the worker's log; it is tried again.",
                    retry_after_s=5,
                ) from error
            except Conflict as error:
                raise RedactionFailed("Personal data could not be removed: " + error.detail, retry_after_s=1) from error
        found = result.value
        painted = {name: base64.b64decode(file["data"]) for name, file in found["files"].items()}
        before = cured(effect) or Cured()
        new = Cured(
            names={**before.names, **found["names"]},
            removed=(*before.removed, *found["removed"]),
            files=painted,
            region=before.region,
        )
        value = renamed(found["value"], found["files"])
        return _with(replace(effect, input=whole(value)), new, {"redacted": True})

    async def _files(self, effect: Effect, call: Call) -> dict[str, bytes]:
        """Give the files that would go with the effect. One that is missing goes with nothing: its executor says so."""
        wanted = document_ids(effect.input) if effect.kind is Kind.INFER else []
        if not wanted or self._documents is None:
            return {}
        try:
            return await self._documents.read(call.task.info.tenant, wanted)
        except (NotFound, InvalidInput, DocumentChanged):
            return {}

    @asynccontextmanager
    async def _turn(self, call: Call) -> AsyncIterator[None]:
        key = call.task.info.tenant, call.task.info.id
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1


def document_ids(request: Any) -> list[str]:
    """Give the IDs of the documents in a request's `documents`, each once."""
    found = request.get("documents", []) if isinstance(request, dict) else []
    return list(dict.fromkeys(d["id"] for d in found if isinstance(d, dict) and "id" in d))


_KEPT: Final = ("id", "media_type", "sha256", "size_bytes", "pages")


def spared(value: Any, pointer: str = "") -> list[str]:
    """Give the pointers of what names a stored document: by it the file is found, and no person is."""
    if isinstance(value, dict):
        if str(value.get("id", "")).startswith("doc_") and "sha256" in value:
            return [f"{pointer}/{name}" for name in _KEPT if name in value]
        return [p for name, item in value.items() for p in spared(item, f"{pointer}{step(name)}")]
    if isinstance(value, list):
        return [p for number, item in enumerate(value) for p in spared(item, f"{pointer}/{number}")]
    return []


def renamed(value: Any, files: Mapping[str, Mapping[str, Any]]) -> Any:
    """Let documents say what their painted file is, under a name that says nothing: digest and name of the original point at it."""
    if isinstance(value, list):
        return [renamed(item, files) for item in value]
    if not isinstance(value, dict):
        return value
    if str(value.get("id", "")).startswith("doc_") and "sha256" in value:
        file = files.get(value["id"])
        ending = {"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}.get(
            value.get("media_type", ""), ""
        )
        new = {**value, "filename": f"document{ending}", "sha256": file["sha256"] if file else ""}
        return {**new, "size_bytes": file["size_bytes"]} if file else new
    return {name: renamed(item, files) for name, item in value.items()}


def _leaving(effect: Effect) -> tuple[Callable[[Any], Any], Any]:
    """Give what of the input is content, and what puts it back.

    An HTTP call must still reach where it goes and be let in there: its address up to the query and its headers stay.
    """
    if effect.kind is not Kind.FETCH:
        return (lambda value: value), effect.input
    address, mark, query = str(effect.input["url"]).partition("?")
    pairs = [{name: value} for name, value in parse_qsl(query, keep_blank_values=True)]
    content = {"query": pairs, "body": effect.input.get("body")}

    def whole(value: Any) -> Any:
        asked = urlencode([pair for item in value["query"] for pair in item.items()])
        return {**effect.input, "url": f"{address}{mark}{asked}", "body": value["body"]}

    return whole, content


def _types(argument: str) -> list[str]:
    asked = [name.strip().upper() for name in argument.split(",") if name.strip()]
    if unknown := sorted(set(asked) - set(TYPES)):
        raise RedactionFailed(
            f"The policy asks to redact {unknown[0]}, which is not known.", fix=f"Known are {', '.join(TYPES)}."
        )
    return asked


def _with(effect: Effect, new: Cured, told: Mapping[str, Any]) -> Effect:
    return replace(effect, options={**effect.options, CURED: new, FACTS: {**facts(effect), **told}})

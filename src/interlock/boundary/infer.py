"""The executor of `infer`: fetches the documents that the request names, and lets serving answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from interlock.boundary.executors import Plain
from interlock.boundary.oblige import cured, document_ids
from interlock.data.document_store import DocumentStore
from interlock.domain import needs
from interlock.domain.effects import Effect, Pending
from interlock.domain.errors import DocumentChanged, ExecutorFailed, InvalidInput, NotFound
from interlock.domain.ports import Call, Executed
from interlock.serving.gateway import Gateway


class InferExecutor(Plain):
    def __init__(self, gateway: Gateway, documents: DocumentStore) -> None:
        self._gateway = gateway
        self._documents = documents

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        info, done = call.task.info, cured(effect)
        request, left_out = needs.keep(effect.input, self._gateway.needs(info.automation, effect.target))
        wanted = document_ids(request)
        try:
            if done is None or done.files is None:
                files = await self._documents.read(info.tenant, wanted)
            else:
                files = _instead(done.files, wanted)
        except (NotFound, InvalidInput) as error:
            raise ExecutorFailed(error.detail, kind="DocumentMissing", retry=False) from error
        except DocumentChanged as error:
            raise ExecutorFailed(error.detail, kind="DocumentChanged", retry=False, fix=error.fix) from error
        region = None if done is None else done.region
        executed = await self._gateway.infer(
            info.automation, effect.target, request, files, tenant=info.tenant, region=region
        )
        return replace(executed, left_out=left_out) if left_out else executed


def _instead(files: Mapping[str, bytes], wanted: Sequence[str]) -> dict[str, bytes]:
    """Give the files that go in the place of the stored ones; the originals never do."""
    if missing := [name for name in wanted if name not in files]:
        raise NotFound(f"There is no document {missing[0]} that could be sent without personal data.")
    return {name: files[name] for name in wanted}

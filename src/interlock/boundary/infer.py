"""The executor of `infer`: fetches the documents that the request names, and lets serving answer."""

from __future__ import annotations

from typing import Any

from interlock.boundary.executors import Plain
from interlock.data.document_store import DocumentStore
from interlock.domain.effects import Effect, Pending
from interlock.domain.errors import DocumentChanged, ExecutorFailed, InvalidInput, NotFound
from interlock.domain.ports import Call, Executed
from interlock.serving.gateway import Gateway


class InferExecutor(Plain):
    def __init__(self, gateway: Gateway, documents: DocumentStore) -> None:
        self._gateway = gateway
        self._documents = documents

    async def execute(self, effect: Effect, call: Call) -> Executed | Pending:
        info = call.task.info
        try:
            files = await self._documents.read(info.tenant, _documents(effect.input))
        except (NotFound, InvalidInput) as error:
            raise ExecutorFailed(error.detail, kind="DocumentMissing", retry=False) from error
        except DocumentChanged as error:
            raise ExecutorFailed(error.detail, kind="DocumentChanged", retry=False, fix=error.fix) from error
        return await self._gateway.infer(info.automation, effect.target, effect.input, files)


def _documents(request: Any) -> list[str]:
    """Give the IDs of the documents in a request's `documents`, each once."""
    found = request.get("documents", []) if isinstance(request, dict) else []
    return list(dict.fromkeys(d["id"] for d in found if isinstance(d, dict) and "id" in d))

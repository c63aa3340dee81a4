"""What the audit log is told of a document: that it was stored, and what it commits to."""

from __future__ import annotations

from interlock.domain.documents import Document
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.infra.clock import Clock
from interlock.infra.database import Connection
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key


class DocumentRecords:
    """Writes the leaf `document.stored` in the transaction of the upload.

    Whom a file is about is not known when it comes in, so it is committed to under the key of whoever uploaded it.
    """

    def __init__(self, keys: SubjectKeys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def stored(self, conn: Connection, tenant: str, document: Document, object_key: str, by: str) -> None:
        key, salt = await subject_key(conn, self._keys, tenant, by), audit.new_salt()
        facts = {
            "document": document.id,
            "size": document.size_bytes,
            "salt": salt.hex(),
            "commit": audit.commit(key, salt, (document.sha256, document.filename, document.media_type, object_key)),
        }
        leaf = audit.leaf("document.stored", tenant=tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=tenant, task_id=None, leaf=leaf)

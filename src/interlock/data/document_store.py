"""Stored documents: the file in the object store, what is known of it in the database."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Final

from interlock.data.documents import DocumentLimits, inspect
from interlock.data.page_texts import PageLines, PageTexts
from interlock.domain.documents import Document
from interlock.domain.errors import DocumentChanged, ExecutorFailed, FieldError, InvalidInput, NotFound, UnsafeDocument
from interlock.domain.ids import new_id
from interlock.domain.ports import ObjectStore
from interlock.infra.child_pool import ChildPool
from interlock.infra.database import Connection, Database

DRAWING_TIMEOUT_S: Final = 20.0

_SELECT = (
    "select id, filename, media_type, size_bytes, sha256, pages, object_key from documents"
    " where tenant = current_tenant() and id = any(%s) and erased_at is null"
)

_OF_OTHERS = "select id from documents where tenant = current_tenant() and id = any(%s) and created_by <> %s"
_SAME = (
    "select id from documents where tenant = current_tenant() and sha256 = %s and filename = %s and created_by = %s"
    " order by created_at limit 1"
)


_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}")

Record = Callable[[Connection, str, Document, str, str], Awaitable[None]]
"""Writes into the upload's transaction, for the audit log, what was stored: tenant, document, object's key, by whom."""


def _nameless(filename: str) -> str:
    """Give a name with the same ending: the rest may say whose file it is, and errors name the file."""
    ending = PurePath(filename).suffix
    if not ending:
        return ""
    return f"upload{ending}" if _ENDING.fullmatch(ending) else "upload.other"


class DocumentStore:
    """Takes files in and gives them out, each inside its tenant."""

    def __init__(self, database: Database, objects: ObjectStore, limits: DocumentLimits, record: Record) -> None:
        self._record = record
        self._database = database
        self._objects = objects
        self._limits = limits
        self._drawing = ChildPool(
            name="drawing", handler="interlock.data.page_child:draw", config=asdict(limits), size=1
        )
        self._texts = PageTexts(
            ChildPool(name="reading", handler="interlock.data.page_child:read", config=asdict(limits), size=1)
        )

    async def add(self, tenant: str, *, data: bytes, filename: str, by: str) -> Document:
        """Inspect and store a file; durable when it returns. The same file under the same name by the same person is stored once, so
        that a repeated upload names the same document.

        Raises:
            UnsupportedDocument, UnsafeDocument, TooLarge: it is not what it says, or over a limit. Nothing is stored.
        """
        # In a thread: hashing and opening a large file would hold up everybody else's requests.
        info = await asyncio.to_thread(inspect, data, _nameless(filename), self._limits)
        name = filename[-255:]
        async with self._database.tenant(tenant) as conn:
            row = await (await conn.execute(_SAME, (info.sha256, name, by))).fetchone()
        if row is not None:
            return await self.get(tenant, row[0])
        document = Document(
            id=new_id("doc"),
            filename=name,
            media_type=info.media_type,
            size_bytes=info.size_bytes,
            sha256=info.sha256,
            pages=info.pages,
        )
        key = f"tenants/{tenant}/documents/{document.id}"
        await self._objects.put(key, data)
        async with self._database.tenant(tenant) as conn:
            await conn.execute(
                "insert into documents (tenant, id, sha256, filename, media_type, size_bytes, pages, object_key, created_by)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    tenant,
                    document.id,
                    document.sha256,
                    document.filename,
                    document.media_type,
                    document.size_bytes,
                    document.pages,
                    key,
                    by,
                ),
            )
            await self._record(conn, tenant, document, key, by)
        return document

    async def find(self, tenant: str, ids: Sequence[str], *, pointers: Sequence[str] | None = None) -> list[Document]:
        """Give documents in the order asked; raises InvalidInput naming one that is not there, by its pointer in the input."""
        return [document for document, _ in await self._find(tenant, ids, pointers)]

    async def of_others(self, tenant: str, ids: Sequence[str], by: str) -> set[str]:
        """Give those that somebody else uploaded."""
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(_OF_OTHERS, (list(ids), by))).fetchall()
        return {row[0] for row in rows}

    async def get(self, tenant: str, document_id: str) -> Document:
        """Give one document; raises NotFound."""
        try:
            return (await self.find(tenant, [document_id]))[0]
        except InvalidInput as error:
            raise NotFound(f"There is no document {document_id}.") from error

    async def page(self, tenant: str, document_id: str, number: int) -> bytes:
        """Give one page as a PNG, drawn in a process of its own.

        Raises:
            NotFound: there is no such document or page. DocumentChanged. UnsafeDocument: it cannot be drawn, or not in time.
            Unavailable: too many wait for a page.
        """
        await self._with_page(tenant, document_id, number)
        data = await self.read(tenant, [document_id])
        try:
            drawn = await self._drawing.call(
                {"number": number}, {"document": data[document_id]}, timeout_s=DRAWING_TIMEOUT_S
            )
        except ExecutorFailed as error:
            raise UnsafeDocument(f"Page {number} cannot be drawn: {error.detail}", fix="Download the file.") from error
        return base64.b64decode(drawn.value)

    async def page_text(self, tenant: str, document_id: str, number: int) -> PageLines:
        """Give the text of one page with its places: its own where the file has a text layer, else as it is read from the picture.

        Raises:
            NotFound: there is no such document or page. DocumentChanged. UnsafeDocument: it cannot be read, or not in time.
            Unavailable: too many pages wait to be read.
        """
        document = await self._with_page(tenant, document_id, number)

        async def data() -> bytes:
            return (await self.read(tenant, [document_id]))[document_id]

        return await self._texts.read(tenant, document.sha256, number, data)

    async def _with_page(self, tenant: str, document_id: str, number: int) -> Document:
        document = await self.get(tenant, document_id)
        if number > document.pages:
            raise NotFound(f"The document {document_id} has {document.pages} pages.")
        return document

    async def close(self) -> None:
        """End the processes that draw and read pages, where there are any."""
        await self._drawing.close()
        await self._texts.close()

    async def read(self, tenant: str, ids: Sequence[str]) -> dict[str, bytes]:
        """Give the bytes of documents by ID, as they were uploaded.

        Raises:
            DocumentChanged: the object store holds other bytes than came in; nobody is to read, judge or post those.
        """
        return {document.id: await self._unchanged(document, key) for document, key in await self._find(tenant, ids)}

    async def _unchanged(self, document: Document, key: str) -> bytes:
        data = await self._objects.get(key)
        # In a thread, as at upload: a large file's hash would hold up everybody else.
        found = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        if found != document.sha256:
            raise DocumentChanged(
                f"The file of the document {document.id} is not the one that was uploaded.",
                fix=f"Restore the object {key} from a backup, and run `interlock audit verify`.",
            )
        return data

    async def _find(
        self, tenant: str, ids: Sequence[str], pointers: Sequence[str] | None = None
    ) -> list[tuple[Document, str]]:
        if not ids:
            return []
        async with self._database.tenant(tenant) as conn:
            rows = await (await conn.execute(_SELECT, (list(ids),))).fetchall()
        found = {
            row[0]: (
                Document(id=row[0], filename=row[1], media_type=row[2], size_bytes=row[3], sha256=row[4], pages=row[5]),
                str(row[6]),
            )
            for row in rows
        }
        for number, document_id in enumerate(ids):
            if document_id not in found:
                pointer = f"/documents/{number}/id" if pointers is None else pointers[number]
                raise InvalidInput(
                    f"There is no document {document_id}.",
                    fix="Upload it with POST /v1/documents first.",
                    fields=[FieldError(pointer=pointer, detail="no such document", kind="missing")],
                )
        return [found[document_id] for document_id in ids]

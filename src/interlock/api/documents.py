"""Documents: files go in once and are named by ID afterwards."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from interlock.api import visible
from interlock.api.auth import CallerDep
from interlock.api.parameters import KnownParametersRoute
from interlock.api.problems import responses
from interlock.domain.documents import Document
from interlock.domain.errors import FieldError, InvalidInput, UnsupportedDocument
from interlock.governance import ask

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=KnownParametersRoute)

FILENAME_CHARS_MAX: Final = 255
FORM_PARTS_MAX: Final = 8
_RAW: Final = ("application/octet-stream", "image/jpeg", "image/png", "application/pdf")
_PICTURE: Final = ("application/octet-stream", "image/png")  # the first, since client generators know it
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "A JPEG, a PNG or a PDF. What it is, is told by its content and not by its type here.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "title": "DocumentUpload",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "One file."}},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
DocumentId = Annotated[str, Path(max_length=128, description="ID of a document.")]
PageNumber = Annotated[int, Path(ge=1, le=10_000, description="From 1.")]


class TextPart(BaseModel):
    """A text that stands together."""

    text: str
    box: tuple[float, float, float, float] = Field(description="x0, y0, x1, y1 as fractions of the page.")


class TextLine(BaseModel):
    """A line, its parts from left to right."""

    parts: list[TextPart]


class PageText(BaseModel):
    """The text of a page, from top to bottom."""

    source: Literal["layer", "picture"] = Field(
        description="`layer`: the file's own text. `picture`: it was read from the picture, and may be wrong."
    )
    lines: list[TextLine]


@router.post(
    "",
    operation_id="create_document",
    status_code=201,
    response_model=Document,
    responses=responses(413, 415),
    openapi_extra=_BODY,
    summary="Upload a document",
)
async def create_document(
    caller: CallerDep,
    request: Request,
    response: Response,
    filename: Annotated[
        str | None,
        Query(max_length=FILENAME_CHARS_MAX, description="Name of the file, where the body is the file itself."),
    ] = None,
) -> Document:
    """Store a file, as `multipart/form-data` with the part `file`, or as the body itself; durable when this returns."""
    caller.require("document.create", ask.system(caller.tenant))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        data, name = await _part(request)
    elif kind in _RAW:
        data, name = await request.body(), ""
    else:
        raise UnsupportedDocument(
            f"A body of type {kind[:100]!r} is not taken.", fix="Send multipart/form-data with a part named file."
        )
    document = await caller.app.documents.add(
        caller.tenant, data=data, filename=_plain(filename or name), by=caller.principal.id
    )
    response.headers["location"] = f"/v1/documents/{document.id}"
    return document


@router.get(
    "/{document_id}",
    operation_id="get_document",
    response_model=Document,
    responses=responses(404),
    summary="Get what is known of a document",
)
async def get_document(caller: CallerDep, document_id: DocumentId) -> Document:
    """Give name, type, size, pages and digest."""
    return await visible.document(caller, document_id)


@router.get(
    "/{document_id}/content",
    operation_id="get_document_content",
    response_class=Response,
    responses={
        **responses(404),
        200: {
            "description": "The file.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _RAW},
        },
    },
    summary="Get the file",
)
async def get_document_content(caller: CallerDep, document_id: DocumentId) -> Response:
    """Give the bytes as they came in, as an attachment: a browser shows them to nobody in this origin's name."""
    document = await visible.document(caller, document_id)
    data = await caller.app.documents.read(caller.tenant, [document.id])
    name = quote(document.filename or document.id, safe="")
    return Response(
        data[document.id],
        media_type=document.media_type,
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "content-security-policy": "default-src 'none'; sandbox",
        },
    )


@router.get(
    "/{document_id}/pages/{page}",
    operation_id="get_document_page",
    response_class=Response,
    responses={
        **responses(404, 415),
        200: {
            "description": "The page as a picture.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURE},
        },
    },
    summary="Get a page as a picture",
)
async def get_document_page(caller: CallerDep, document_id: DocumentId, page: PageNumber) -> Response:
    """Draw one page, as large as models read it: what a person looks at beside what was read."""
    document = await visible.document(caller, document_id)
    picture = await caller.app.documents.page(caller.tenant, document.id, page)
    # A document never changes, and is the reader's alone.
    return Response(picture, media_type="image/png", headers={"cache-control": "private, max-age=3600, immutable"})


@router.get(
    "/{document_id}/pages/{page}/text",
    operation_id="get_document_page_text",
    response_model=PageText,
    responses=responses(404, 415, 503),
    summary="Get the text of a page with its places",
)
async def get_document_page_text(
    caller: CallerDep, response: Response, document_id: DocumentId, page: PageNumber
) -> PageText:
    """Give a page's lines: the file's own text, or what is read from the picture. The first time, that may take seconds."""
    document = await visible.document(caller, document_id)
    found = await caller.app.documents.page_text(caller.tenant, document.id, page)
    response.headers["cache-control"] = "private, max-age=3600, immutable"
    return PageText(
        source="layer" if found.layer else "picture",
        lines=[TextLine(parts=[TextPart(text=part.text, box=part.box) for part in line]) for line in found.lines],
    )


async def _part(request: Request) -> tuple[bytes, str]:
    """Read the part `file`. Over 1 MB it lies in a temporary file until it is whole, so that waiting uploads cost no memory."""
    async with request.form(max_files=1, max_fields=FORM_PARTS_MAX) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidInput(
                "The form has no file.",
                fix="Send it as the part named file, with a filename.",
                fields=[FieldError(pointer="/file", detail="missing", kind="missing")],
            )
        return await file.read(), file.filename or ""


def _plain(filename: str) -> str:
    """Keep the last part of a path, without characters that could not be stored or would break a header."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in name if c.isprintable()).encode("utf-8", "ignore").decode()
    return kept[-FILENAME_CHARS_MAX:]

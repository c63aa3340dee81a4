"""Documents: files that came in, by reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

DocumentId = Annotated[str, StringConstraints(pattern=r"^doc_[0-9a-f]{32}$")]


class Document(BaseModel):
    """A stored file, as an automation's input names it. `sha256` (hex) identifies its bytes; `pages` counts from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: DocumentId
    filename: str = ""
    media_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    pages: int = 1

"""What a manifest says of watched folders: where in the input the document of a file goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from interlock import Document, Task, automation
from interlock.domain.errors import ConfigurationError
from interlock.domain.manifests import Manifest, Watch
from interlock.governance.decide import Bundle
from interlock.orchestration.automations import Registered


class Letter(BaseModel):
    scan: Document | None = None
    pages: list[Document] | None = None


class Matter(BaseModel):
    documents: list[Document] = []
    letter: Letter | None = Field(default=None, description="What came by mail.")
    cover: Document | None = Field(default=None, alias="the~cover")
    note: str = ""


@automation
async def letters(task: Task, matter: Matter) -> None:
    """Does nothing."""


def registered(watch: Watch | None) -> Registered:
    manifest = Manifest(name="letters", version="1.0.0", owner="user:olga", effects=("step",), watch=watch)
    return Registered(manifest=manifest, automation=letters, folder=Path(), digest="", bundle=Bundle.load([]))


@pytest.mark.parametrize(
    ("documents", "made"),
    [
        ("/documents", {"documents": [{"id": "doc_1"}]}),
        ("/letter/scan", {"letter": {"scan": {"id": "doc_1"}}}),
        ("/letter/pages", {"letter": {"pages": [{"id": "doc_1"}]}}),
        ("/the~0cover", {"the~cover": {"id": "doc_1"}}),
    ],
)
def test_a_watched_file_goes_where_the_manifest_says(documents: str, made: Any) -> None:
    assert registered(Watch(documents=documents)).input_of_file("doc_1") == made


@pytest.mark.parametrize("documents", ["/document", "/letter/scans", "/note/text", "/documents/0/id/x"])
def test_a_place_that_the_input_does_not_have_is_named(documents: str) -> None:
    with pytest.raises(ConfigurationError, match=f"letters/automation.toml: .*{documents}"):
        registered(Watch(documents=documents)).input_of_file("doc_1")


def test_an_automation_without_it_takes_no_files() -> None:
    with pytest.raises(ConfigurationError, match="takes no files"):
        registered(None).input_of_file("doc_1")

"""Documents by the API: what is taken, what is refused with a clear answer, and how it is given back."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import httpx
import pypdfium2
import pytest
from PIL import Image
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.contract.test_api_duties import key_of

from interlock.boundary.infer import InferExecutor
from interlock.domain.errors import ExecutorFailed
from interlock.serving.gateway import Gateway

pytestmark = MARKS
__all__ = ["api"]


def png(width: int = 8, height: int = 8) -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height), 255).save(out, "PNG")
    return out.getvalue()


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "white").save(out, "JPEG")
    return out.getvalue()


def pdf(pages: int) -> bytes:
    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(100, 100)
    out = io.BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


async def test_a_document_that_one_may_not_read_is_not_named_in_a_task_either(api: Running) -> None:
    """What a task makes of a document is its submitter's to see: so an agent read the documents of everybody."""
    others = (await api.as_("author").post("/v1/documents", files={"file": ("a.png", png(9))})).json()
    own = (await api.as_("agent").post("/v1/documents", files={"file": ("b.png", png(10))})).json()
    assert (await api.as_("agent").get(f"/v1/documents/{others['id']}/content")).status_code == 403

    async def named(who: str, document: dict[str, object]) -> httpx.Response:
        given = {"name": "Ada", "document": {"id": document["id"]}}
        return await api.as_(who).post("/v1/tasks", json={"automation": "greet", "input": given})

    refused = await named("agent", others)
    assert (refused.status_code, refused.json()["action"]) == (403, "document.read"), refused.text
    assert (await named("agent", own)).status_code == 202
    assert (await named("author", own)).status_code == 202  # whose role reads every document
    assert (await named("owner", others)).status_code == 202


async def test_who_uploaded_a_document_may_read_it_whatever_their_role_is_now(api: Running) -> None:
    once = await key_of(api, "user:ina", "author")
    document = (await once.post("/v1/documents", files={"file": ("own.png", png(11))})).json()
    now = await key_of(api, "user:ina", "boss")
    for path in ("", "/content", "/lineage"):
        assert (await now.get(f"/v1/documents/{document['id']}{path}")).status_code == 200
        assert (await api.as_("nobody").get(f"/v1/documents/{document['id']}{path}")).status_code == 403


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few KB that would decode to gigabytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


async def upload(api: Running, data: bytes, filename: str) -> httpx.Response:
    return await api.as_("author").post("/v1/documents", files={"file": (filename, data)})


@pytest.mark.parametrize(
    ("data", "filename", "media_type"),
    [(jpeg(), "r.jpg", "image/jpeg"), (png(), "r.png", "image/png"), (pdf(2), "r.pdf", "application/pdf")],
    ids=["jpeg", "png", "pdf"],
)
async def test_a_file_goes_in_by_form_or_as_the_body_and_comes_back_as_it_was(
    api: Running, data: bytes, filename: str, media_type: str
) -> None:
    by_form = await upload(api, data, filename)
    raw = await api.as_("author").post(
        "/v1/documents", params={"filename": filename}, content=data, headers={"content-type": media_type}
    )
    for made in (by_form, raw):
        assert made.status_code == 201, made.text
        document = made.json()
        assert made.headers["location"] == f"/v1/documents/{document['id']}"
        assert (document["media_type"], document["filename"], document["size_bytes"]) == (
            media_type,
            filename,
            len(data),
        )
        known = await api.as_("author").get(f"/v1/documents/{document['id']}")
        assert known.json() == document
        content = await api.as_("author").get(f"/v1/documents/{document['id']}/content")
        assert content.content == data
        assert content.headers["content-type"] == media_type
        assert content.headers["content-disposition"] == f"attachment; filename*=UTF-8''{filename}"
        assert content.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in content.headers["content-security-policy"]
    assert by_form.json()["sha256"] == raw.json()["sha256"]


@pytest.mark.parametrize(
    ("data", "filename", "status", "code"),
    [
        (b"just some text\n" * 20, "receipt.jpg", 415, "document.unsupported"),
        (jpeg(), "receipt.pdf", 415, "document.unsupported"),
        (jpeg()[:100], "receipt.jpg", 415, "document.unsupported"),
        (b"", "receipt.jpg", 422, "input.invalid"),
        (bomb(60_000, 60_000), "bomb.png", 422, "document.unsafe"),
        (bomb(10_000, 10_001), "hundred-megapixels.png", 422, "document.unsafe"),
        (pdf(1000), "thousand.pdf", 422, "document.unsafe"),
        (b"%PDF-1.7\n garbage", "broken.pdf", 422, "document.unsafe"),
        (b"\x89PNG\r\n\x1a\n" + bytes(3_000_100), "big.png", 413, "input.too_large"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg", 415, "document.unsupported"),
    ],
    ids=["text as jpg", "jpg as pdf", "cut off", "empty", "bomb", "100 MP", "1000 pages", "broken pdf", "too big", "svg"],
)  # fmt: skip
async def test_what_is_unsafe_or_not_what_it_says_is_refused_clearly(
    api: Running, data: bytes, filename: str, status: int, code: str
) -> None:
    before = await api.owner("select count(*) from documents")
    answer = await upload(api, data, filename)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"]
    assert await api.owner("select count(*) from documents") == before
    assert (await upload(api, jpeg(), "fine.jpg")).status_code == 201


async def test_a_form_without_the_file_or_another_type_is_refused(api: Running) -> None:
    author = api.as_("author")
    for answer in (
        await author.post("/v1/documents", files={"other": ("a.jpg", jpeg())}),
        await author.post("/v1/documents", files={"file": (None, "text")}),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/file"
    two = await author.post("/v1/documents", files=[("file", ("a.jpg", jpeg())), ("file", ("b.jpg", jpeg()))])
    assert two.status_code == 400
    assert (await author.post("/v1/documents", json={})).status_code == 415
    broken = await author.post(
        "/v1/documents", content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code in (400, 422)
    assert broken.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("../../etc/passwd.jpg", "passwd.jpg"), ("C:\\tmp\\a.jpg", "a.jpg"),
     ("Ünï côdé.jpg", "Ünï côdé.jpg"), ("a\u0085b\u202e.jpg", "ab.jpg"), ("x" * 300 + ".jpg", None)],
)  # fmt: skip
async def test_a_name_is_kept_without_path_and_control_characters(api: Running, sent: str, kept: str | None) -> None:
    made = await upload(api, jpeg(), sent)
    assert made.status_code == 201, made.text
    name = made.json()["filename"]
    assert name == kept or (kept is None and len(name) == 255 and name.endswith(".jpg"))
    content = await api.as_("author").get(f"/v1/documents/{made.json()['id']}/content")
    assert content.status_code == 200


async def test_a_document_goes_into_a_task_and_its_details_are_filled_in(api: Running) -> None:
    document = (await upload(api, jpeg(), "r.jpg")).json()
    task, review_id = await api.review(document={"id": document["id"], "sha256": "made up"})
    review = (await api.as_("reviewer").get(f"/v1/reviews/{review_id}")).json()
    assert review["request"]["documents"] == [document["id"]]
    stored = await api.owner("select input->'document'->>'sha256' from tasks where id = %s", (task["id"],))
    assert stored == [(document["sha256"],)]


async def test_who_may_not_read_documents_does_not(api: Running) -> None:
    document = (await upload(api, jpeg(), "r.jpg")).json()
    assert (await api.as_("nobody").get(f"/v1/documents/{document['id']}/content")).status_code == 403
    assert (await api.as_("nobody").post("/v1/documents", files={"file": ("r.jpg", jpeg())})).status_code == 403
    assert (await api.as_("reviewer").get(f"/v1/documents/{document['id']}/content")).status_code == 200


async def test_a_changed_file_is_given_to_nobody(api: Running) -> None:
    data = png(9, 9)
    made = (await upload(api, data, "changed.png")).json()
    key = f"tenants/default/documents/{made['id']}"
    stored = Path(unquote(urlsplit(api.app.settings.objects_url).path)) / key
    stored.write_bytes(data[:-1] + b"!")
    answer = await api.as_("author").get(f"/v1/documents/{made['id']}/content")
    assert (answer.status_code, answer.json()["code"]) == (500, "document.changed")
    assert data[:50] not in answer.content
    task = SimpleNamespace(info=SimpleNamespace(tenant="default", automation="greet"))
    effect = SimpleNamespace(input={"documents": [{"id": made["id"]}]}, target="reader", options={})
    with pytest.raises(ExecutorFailed) as failed:
        await InferExecutor(Gateway(), api.app.documents).execute(effect, SimpleNamespace(task=task))  # type: ignore[arg-type]
    assert (failed.value.kind, failed.value.retry) == ("DocumentChanged", False)
    stored.write_bytes(data)
    assert (await api.as_("author").get(f"/v1/documents/{made['id']}/content")).content == data

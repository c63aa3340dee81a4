"""Model versions: registered, evaluated, approved by another person, released; and nothing else is served."""

from __future__ import annotations

import base64
import io
import json
import os
import py_compile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.contract import model_automation
from tests.contract.running_api import Running, client, prepare, running_api
from tests.contract.test_evidence import files_of, forged, verified
from tests.eventually import eventually

from interlock.app import audit_log
from interlock.domain.errors import ExecutorFailed, ModelUntrusted
from interlock.governance import dsse, model_statement
from interlock.governance.pack_reader import Broken
from interlock.governance.verify import verify
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.orchestration.model_gate import ModelGate
from interlock.serving import registry
from interlock.serving.gateway import Gateway
from interlock.serving.registry import ModelVersion
from interlock.serving.runtimes.process import ProcessRuntime

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all automations."""
    made = tmp_path_factory.mktemp("automations")
    model_automation.write(made)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(
    folder: Path,
    make_database: Callable[[], str],
    postgres_server: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Running]:
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path_factory.mktemp("api"), urls, automations_dir=folder) as running:
        for who, roles in (("rita", ["ml-release"]), ("ravi", ["ml-release"])):
            given = {"name": who, "user": f"user:{who}", "roles": roles}
            made = await running.as_("owner").post("/v1/keys", json=given)
            running.keys[who] = made.json()["key"]
            running.clients[who] = client(running.api, running.keys[who])
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def clean(api: Running) -> AsyncIterator[None]:
    """No model version is on record."""
    await api.owner("delete from model_acts")
    await api.owner("delete from model_versions")
    await api.owner("delete from model_keys")
    yield


async def step(api: Running, who: str, number: int, verb: str, **body: Any) -> httpx.Response:
    return await api.as_(who).post(f"/v1/models/versions/{number}:{verb}", json=body)


async def registered(api: Running, who: str = "author") -> int:
    given = {"automation": "orders", "model": "order-reader"}
    answer = await api.as_(who).post("/v1/models/versions", json=given)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["number"])


async def released(api: Running) -> int:
    number = await registered(api)
    for who, verb in (("author", "evaluate"), ("rita", "approve"), ("rita", "release")):
        answer = await step(api, who, number, verb)
        assert answer.status_code == 200, answer.text
    return number


def model(folder: Path) -> ModelVersion:
    return registry.load(folder / "orders" / "models" / "order-reader")


async def served(api: Running, version: ModelVersion, *, tenant: str = "default", shipped: bool = False) -> Any:
    """Infer as a worker does that has just started: gate, files, process."""
    runtime = ProcessRuntime(version, processes=1)
    app = api.app
    gateway = Gateway(
        ModelGate(app.database, app.models, app.keys, adopt=True, is_shipped=lambda automation, _: shipped)
    )
    gateway.register("orders", "order-reader", runtime, version=version)
    try:
        return (await gateway.infer("orders", "order-reader", {"message": "a1"}, {}, tenant=tenant)).value
    finally:
        await runtime.close()


async def refusal(api: Running, version: ModelVersion, **given: Any) -> str:
    with pytest.raises(ExecutorFailed) as failed:
        await served(api, version, **given)
    assert (failed.value.kind, failed.value.retry) == ("ModelUntrusted", False)
    return str(failed.value)


async def test_from_registered_to_released_by_two_people(api: Running, folder: Path, clean: None) -> None:
    assert "nobody registered" in await refusal(api, model(folder))
    number = await registered(api)
    assert await registered(api, "rita") == number  # it is there already
    for who, verb, status, then in (
        ("rita", "approve", 409, "registered"),
        ("author", "evaluate", 200, "evaluated"),
        ("rita", "release", 409, "evaluated"),
        ("author", "approve", 403, "evaluated"),
        ("rita", "approve", 200, "approved"),
        ("rita", "approve", 200, "approved"),  # the same once more is the same
        ("ravi", "approve", 409, "approved"),
        ("author", "release", 403, "approved"),
    ):
        answer = await step(api, who, number, verb)
        assert answer.status_code == status, (who, verb, answer.text)
        assert f"is {then} and not released" in await refusal(api, model(folder))
    for _ in range(2):
        assert (await step(api, "ravi", number, "release")).status_code == 200
    assert (await step(api, "ravi", number, "evaluate")).status_code == 409
    assert await served(api, model(folder)) == {"order": "order A1", "confidence": 0.9}

    view = (await api.as_("auditor").get(f"/v1/models/versions/{number}")).json()
    assert [(a["kind"], a["by"]) for a in view["acts"]] == [
        ("registered", "user:amir"),
        ("evaluated", "user:amir"),
        ("approved", "user:rita"),
        ("released", "user:ravi"),
    ]
    assert view["acts"][1]["facts"] == {"data": "200 messages", "metrics": {"right": 0.97}}
    rows = await api.owner(
        "select leaf from audit_records where leaf like %s order by id", (f'%"model_version":{number}%',)
    )
    leaves = [json.loads(row[0]) for row in rows]
    assert [one["kind"] for one in leaves] == [
        "model.registered",
        "model.evaluated",
        "model.approved",
        "model.released",
    ]
    assert not [row for row in rows if "rita" in row[0] or "amir" in row[0]]


async def test_who_made_a_version_does_not_approve_it(api: Running, folder: Path, clean: None) -> None:
    number = await registered(api, "rita")
    assert (await step(api, "ravi", number, "evaluate")).status_code == 200
    for who in ("rita", "ravi"):
        answer = await step(api, who, number, "approve")
        assert answer.status_code == 403
        assert "four-eyes-model" in answer.text
    # Nor by a service whose key they made.
    made = await api.as_("owner").post("/v1/services", json={"id": "service:release", "name": "Release"})
    assert made.status_code == 201, made.text
    await api.owner("update accounts set created_by = 'user:rita' where id = 'service:release'")
    given = {"name": "s", "user": "service:release", "roles": ["ml-release"]}
    key = (await api.as_("owner").post("/v1/keys", json=given)).json()["key"]
    async with client(api.api, key) as service:
        answer = await service.post(f"/v1/models/versions/{number}:approve", json={})
    assert answer.status_code == 403
    assert "four-eyes-model" in answer.text
    assert (await step(api, "owner2", number, "approve")).status_code == 200


async def test_a_single_operator_does_all_of_it_and_that_is_on_record(api: Running, folder: Path, clean: None) -> None:
    number = await registered(api, "single")
    for verb in ("evaluate", "approve", "release"):
        assert (await step(api, "single", number, verb)).status_code == 200
    assert (await served(api, model(folder), tenant="alone"))["order"] == "order A1"
    assert "nobody registered" in await refusal(api, model(folder))  # another tenant's release is none here
    rows = await api.owner("select leaf from audit_records where tenant = 'alone' and leaf like '%%model.approved%%'")
    assert json.loads(rows[-1][0])["alone"] is True


async def test_a_task_is_served_by_the_worker_once_its_model_is_released(
    api: Running, folder: Path, clean: None
) -> None:
    async def task(wait: str) -> dict[str, Any]:
        given = {"automation": "orders", "input": {"message": "b2"}}
        made = (await api.as_("author").post("/v1/tasks", json=given)).json()
        return await api.until(made["id"], wait)

    failed = await task("failed")
    assert "nobody registered" in str(failed["error"])
    number = await released(api)
    done = await task("succeeded")
    assert done["output"] == {"order": "order B2"}
    # A task that was refused goes on once its model is released.
    assert (await api.as_("author").post(f"/v1/tasks/{failed['id']}:retry")).status_code == 202
    assert (await api.until(failed["id"], "succeeded"))["output"] == {"order": "order B2"}
    assert (await step(api, "rita", number, "retire")).status_code == 200
    assert "is retired and not released" in await refusal(api, model(folder))


@pytest.mark.parametrize("name", ["predictor.py", "words.py", "prefix.txt", "card.md", "model.toml"])
async def test_a_bit_flipped_in_any_file_is_found(
    api: Running, folder: Path, clean: None, tmp_path: Path, name: str
) -> None:
    await released(api)
    version = model(folder)
    file = version.folder / name
    kept = file.read_bytes()
    try:
        file.write_bytes(kept[:-2] + bytes([kept[-2] ^ 1]) + kept[-1:])
        assert str(file) in await refusal(api, version)  # behind the back of a worker that runs
        if name != "model.toml" or registry_reads(version.folder):
            assert "nobody registered" in await refusal(api, model(folder))  # of one that starts
    finally:
        file.write_bytes(kept)
    extra = version.folder / "extra.py"
    extra.write_text("")
    try:
        assert str(extra) in await refusal(api, version)
    finally:
        extra.unlink()
    assert (await served(api, version))["order"] == "order A1"


def registry_reads(folder: Path) -> bool:
    try:
        registry.load(folder)
    except Exception:
        return False
    return True


async def test_what_python_compiled_before_is_not_loaded(api: Running, folder: Path, clean: None) -> None:
    await released(api)
    version = model(folder)
    source = version.folder / "words.py"
    kept, at = source.read_text(), source.stat()
    evil = kept.replace("upper", "lower")
    source.write_text(evil)
    py_compile.compile(str(source), doraise=True)
    source.write_text(kept)
    cached = next((version.folder / "__pycache__").glob("words*.pyc"))
    # As Python checks it, by time and size of the source, this is the right one.
    data = cached.read_bytes()
    cached.write_bytes(data[:8] + int(at.st_mtime).to_bytes(4, "little") + data[12:])
    os.utime(source, ns=(at.st_atime_ns, at.st_mtime_ns))
    try:
        assert (await served(api, version))["order"] == "order A1"
    finally:
        cached.unlink()


async def test_what_vouches_for_a_version_must_hold(api: Running, folder: Path, clean: None) -> None:
    number = await released(api)
    version = model(folder)
    (text,) = (await api.owner("select envelope from model_acts where version_number = %s and number = 4", (number,)))[
        0
    ]

    async def with_envelope(changed: str) -> str:
        await api.owner(
            "update model_acts set envelope = %s where envelope is not null and version_number = %s",
            (changed, number),
        )
        try:
            return await refusal(api, version)
        finally:
            await api.owner(
                "update model_acts set envelope = %s where envelope is not null and version_number = %s",
                (text, number),
            )

    body = json.loads(text)
    payload = bytearray(base64.b64decode(body["payload"]))
    payload[len(payload) // 2] ^= 1
    flipped = json.dumps(body | {"payload": base64.b64encode(payload).decode()})
    assert "does not hold" in await with_envelope(flipped)
    assert "signed by no key that is trusted here" in await with_envelope(
        dsse.sign(model_statement.PAYLOAD_TYPE, base64.b64decode(body["payload"]), Ed25519PrivateKey.generate())
    )
    assert "no JSON" in await with_envelope("")
    # One that is genuine, of another tenant's release.
    other = await registered(api, "single")
    for verb in ("evaluate", "approve", "release"):
        await step(api, "single", other, verb)
    (theirs,) = (await api.owner("select envelope from model_acts where tenant = 'alone' and kind = 'released'"))[0]
    await api.owner(
        "insert into model_keys (tenant, number, public_key, created_by)"
        " select 'default', 2, public_key, 'x' from model_keys where tenant = 'alone'"
    )
    # A key that somebody wrote into the table is trusted by nobody: it does not follow from the master key.
    assert "signed by no key that is trusted here" in await with_envelope(theirs)
    await api.owner("delete from model_keys where tenant = 'default' and number = 2")
    assert "signed by no key that is trusted here" in await with_envelope(theirs)
    assert (await served(api, version))["order"] == "order A1"


async def test_a_genuine_statement_of_another_version_is_none(api: Running, folder: Path, clean: None) -> None:
    first = await released(api)
    private = api.app.keys.model_key("default", 1)
    acts: list[model_statement.Act] = []
    version = model(folder)
    about = model_statement.Described(
        tenant="default", automation="orders", model="order-reader", version="1.0.0", digest=version.digest,
        files=version.files, card={}, origin="registered",
    )  # fmt: skip
    keys = {dsse.key_id(private.public_key()): private.public_key()}
    model_statement.check(model_statement.sign(about, acts, private), about, keys)
    for change, said in (
        ({"tenant": "other"}, "its tenant is 'other'"),
        ({"version": "0.9"}, "its version is '0.9'"),
        ({"digest": "0" * 64}, "its digest"),
        ({"files": {**version.files, "words.py": "0" * 64}}, "'words.py'"),
        ({"files": {"model.toml": version.files["model.toml"]}}, "'card.md'"),
    ):
        signed = model_statement.sign(model_statement.Described(**{**about.__dict__, **change}), acts, private)
        with pytest.raises(ModelUntrusted, match=said):
            model_statement.check(signed, about, keys)
        await api.owner(
            "update model_acts set envelope = %s where envelope is not null and version_number = %s",
            (signed, first),
        )
        assert said in await refusal(api, version)


async def test_a_revoked_key_vouches_for_nothing_until_the_next_release(
    api: Running, folder: Path, clean: None
) -> None:
    number = await released(api)
    assert (await api.as_("rita").post("/v1/models/keys:rotate", json={})).status_code == 403
    assert (await api.as_("owner").post("/v1/models/keys:rotate", json={})).status_code == 201
    assert (await served(api, model(folder)))["order"] == "order A1"  # rotated, and what it signed still counts
    revoked = await api.as_("owner").post("/v1/models/keys:rotate", json={"revoke": True})
    assert (revoked.status_code, revoked.json()["number"]) == (201, 3)
    assert "no key that is trusted here" in await refusal(api, model(folder))
    assert (await step(api, "rita", number, "retire")).status_code == 200
    assert (await step(api, "rita", number, "release")).status_code == 200
    assert (await served(api, model(folder)))["order"] == "order A1"
    keys = (await api.as_("auditor").get("/v1/models/keys")).json()["items"]
    assert [bool(key["revoked_at"]) for key in keys] == [True, True, False]
    view = (await api.as_("auditor").get(f"/v1/models/versions/{number}")).json()
    assert view["envelope"]["signatures"][0]["keyid"] == keys[2]["id"]


async def test_going_back_to_the_version_before_takes_one_person(api: Running, folder: Path, clean: None) -> None:
    first = await released(api)
    lonely = await step(api, "rita", first, "rollback")
    assert lonely.status_code == 404
    await api.owner(
        "insert into model_versions select tenant, 50, automation, model, '2.0.0', 'd2', files, card, origin, 'released',"
        " created_at, changed_at from model_versions where number = %s",
        (first,),
    )
    await api.owner(
        "insert into model_acts select tenant, 50, number, kind, by_whom, at, note, facts, envelope from model_acts"
    )
    assert (await step(api, "rita", first, "retire")).status_code == 200
    back = await step(api, "rita", 50, "rollback", note="Worse on handwriting")
    assert (back.status_code, back.json()["number"], back.json()["state"]) == (200, first, "released")
    assert (await api.as_("auditor").get("/v1/models/versions/50")).json()["state"] == "retired"
    assert (await served(api, model(folder)))["order"] == "order A1"


async def test_a_version_is_turned_down_and_may_begin_again(api: Running, folder: Path, clean: None) -> None:
    number = await registered(api)
    assert (await step(api, "rita", number, "reject")).status_code == 422  # why is needed
    assert (await step(api, "rita", number, "reject", reason="No data")).json()["state"] == "rejected"
    assert (await step(api, "author", number, "evaluate")).status_code == 409
    assert await registered(api) == number
    assert (await step(api, "author", number, "evaluate", data="May", metrics={"right": 0.5})).status_code == 200
    unknown = await api.as_("author").post("/v1/models/versions", json={"automation": "orders", "model": "nothing"})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["pointer"] == "/model"


async def test_a_shipped_version_is_released_by_the_installation_on_record(
    api: Running, folder: Path, clean: None
) -> None:
    version = model(folder)
    assert (await served(api, version, shipped=True))["order"] == "order A1"
    (found,) = (await api.as_("auditor").get("/v1/models/versions?automation=orders")).json()["items"]
    assert (await api.as_("auditor").get("/v1/models/versions?automation=others")).json()["items"] == []
    assert (found["state"], found["origin"]) == ("released", "shipped")
    acts = (await api.as_("auditor").get(f"/v1/models/versions/{found['number']}")).json()["acts"]
    assert {(a["by"], a["facts"]["product"]) for a in acts} == {("interlock", "interlock")}
    # A tenant that retires it is not overruled, and one may ask for none to count.
    assert (await step(api, "rita", found["number"], "retire")).status_code == 200
    assert "is retired" in await refusal(api, version, shipped=True)
    app = api.app
    gate = ModelGate(app.database, app.models, app.keys, adopt=False, is_shipped=lambda automation, _: True)
    with pytest.raises(ModelUntrusted, match="nobody registered"):
        await gate("other", "orders", version)


async def test_the_bill_of_materials_is_valid_cyclonedx(api: Running, folder: Path, clean: None) -> None:
    number = await released(api)
    found = (await api.as_("auditor").get(f"/v1/models/versions/{number}/bom")).json()
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(found)) is None
    assert validator.validate_str(json.dumps(found | {"specVersion": 1.6})) is not None  # it can say no
    (made, data) = found["components"]
    assert (made["type"], made["version"], made["licenses"]) == (
        "machine-learning-model", "1.0.0", [{"license": {"name": "Apache-2.0"}}],
    )  # fmt: skip
    assert {c["name"] for c in made["components"]} == set(model(folder).files)
    assert made["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "right", "value": "0.97", "slice": "200 messages"}
    ]
    assert (data["type"], data["name"]) == ("data", "messages of May")


async def test_the_card_for_people_holds_facts_record_and_prose(api: Running, folder: Path, clean: None) -> None:
    number = await released(api)
    found = (await api.as_("auditor").get(f"/v1/models/versions/{number}/card")).json()
    for part in (
        "# order-reader",
        "Apache-2.0",
        "user:amir",
        "https://git.example/reader 4f2a",
        "messages of May 2 CC-BY-4.0",
    ):
        assert part in found["markdown"]
    assert "| Approved |" in found["markdown"]
    assert "In capitals." in found["markdown"]
    assert found["facts"]["envelope"]["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(found["facts"]["envelope"]["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [s["name"] for s in statement["subject"]] == sorted(model(folder).files)
    assert statement["predicate"]["training"]["code_version"] == "4f2a"
    assert [a["kind"] for a in statement["predicate"]["acts"]] == ["registered", "evaluated", "approved", "released"]


async def found(api: Running) -> list[str]:
    log = audit_log(api.app.settings, api.relay)
    report = await verify(api.app.database, api.relay, log, api.app.subject_keys, api.app.keys.audit_key.public_key())
    return [finding.what for finding in report.findings]


async def test_an_evidence_pack_holds_card_bill_and_statement(api: Running, folder: Path, clean: None) -> None:
    number = await released(api)
    given = {"automation": "orders", "input": {"message": "d4"}}
    task = (await api.as_("author").post("/v1/tasks", json=given)).json()
    await api.until(task["id"], "succeeded")

    async def covered() -> httpx.Response | None:
        answer = await api.as_("auditor").get("/v1/evidence", params={"task_id": task["id"]})
        return answer if answer.status_code == 200 else None

    answer: httpx.Response = await eventually(covered)
    pack = zipfile.ZipFile(io.BytesIO(answer.content))
    place = f"model-cards/orders/order-reader-{model(folder).digest[:12]}"
    assert "| Approved |" in pack.read(f"{place}/card.md").decode()
    assert json.loads(pack.read(f"{place}/bom.json"))["specVersion"] == "1.6"
    view = (await api.as_("auditor").get(f"/v1/models/versions/{number}")).json()
    assert json.loads(pack.read(f"{place}/statement.json")) == view["envelope"]
    assert pack.read("model-cards/orders/order-reader.toml") == (model(folder).folder / "model.toml").read_bytes()


async def test_a_forged_statement_in_a_pack_is_found_offline(
    api: Running, folder: Path, clean: None, tmp_path: Path
) -> None:
    """Also by whoever makes the manifest fit, and signs with a key of their own that they put beside."""
    await released(api)
    task = (await api.as_("author").post("/v1/tasks", json={"automation": "orders", "input": {"message": "d5"}})).json()
    await api.until(task["id"], "succeeded")
    digest = model(folder).digest
    name = f"model-cards/orders/order-reader-{digest[:12]}/statement.json"

    async def covered() -> dict[str, bytes] | None:
        answer = await api.as_("auditor").get("/v1/evidence")
        files = files_of(answer.content) if answer.status_code == 200 else {}
        return files if b'"kind":"model.released"' in files.get("records.txt", b"") else None

    files: dict[str, bytes] = await eventually(covered)
    whole = forged(files, tmp_path, key=None)
    assert not any("model statements" in str(warning) for warning in whole["warnings"])  # type: ignore[attr-defined]
    body = json.loads(files[name])
    said = json.loads(base64.b64decode(body["payload"]))
    said["predicate"]["licence"] = "MIT"
    payload = json.dumps(said).encode()
    altered = {**body, "payload": base64.b64encode(payload).decode()}
    with pytest.raises(Broken, match="its signature does not hold"):
        forged({**files, name: json.dumps(altered).encode()}, tmp_path, key=None)
    with pytest.raises(Broken, match="its signature does not hold"):
        forged({**files, name: json.dumps({**body, "signatures": []}).encode()}, tmp_path, key=None)
    own = Ed25519PrivateKey.generate()
    keys = name.replace("statement", "keys")
    theirs = {
        name: dsse.sign(body["payloadType"], payload, own).encode(),
        keys: json.dumps([own.public_key().public_bytes_raw().hex()]).encode(),
    }
    with pytest.raises(Broken, match="another key signed for this model version"):
        forged({**files, **theirs}, tmp_path, key=None)
    # Of a release that is not among the records only the signature can be checked, and the verifier says so.
    answer = await api.as_("auditor").get("/v1/evidence", params={"task_id": task["id"]})
    alone = verified(answer.content, tmp_path, key=None)
    assert any("1 model statements are of releases" in str(w) for w in alone["warnings"])  # type: ignore[attr-defined]


LEAF = "what was done is what the leaf commits to"


@pytest.mark.parametrize(
    ("tampered", "what"),
    [
        ("update model_versions set state = 'released'", "the model version stands as its last leaf says"),
        ("update model_versions set digest = 'd'", "the model version's digest is that of the leaf"),
        ("update model_acts set note = 'x' where number = 3", LEAF),
        ("update model_acts set facts = '{}' where number = 2", LEAF),
        ("update model_acts set envelope = '{}' where number = 4", LEAF),
        ("update model_acts set kind = 'rejected' where number = 3", "what was done is that of the leaf"),
        ("delete from model_acts where number = 5", "what was done with a model version is there"),
        (
            "update model_keys set revoked_by = null, revoked_at = null",
            "a signing key of models is revoked as the log says",
        ),
        ("delete from model_keys where number = 1", "a signing key of models with a leaf is there"),
        (
            "insert into model_keys (tenant, number, public_key, created_by)"
            " values ('default', 9, decode(repeat('07', 32), 'hex'), 'x')",
            "a signing key of models has a leaf",
        ),
    ],
)
async def test_what_was_done_with_models_is_held_against_the_log(retired: Running, tampered: str, what: str) -> None:
    api = retired
    assert await found(api) == []
    tables = ("model_versions", "model_acts", "model_keys")
    kept = {table: await api.owner(f"select row_to_json(t)::text from {table} t") for table in tables}
    await api.owner(tampered)
    try:
        assert what in await found(api)
    finally:
        for table in reversed(tables):
            await api.owner(f"delete from {table}")
        for table in tables:
            for row in kept[table]:
                await api.owner(f"insert into {table} select * from json_populate_record(null::{table}, %s::json)", row)
    assert await found(api) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def retired(
    folder: Path,
    make_database: Callable[[], str],
    postgres_server: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Running]:
    """An installation in which a version was released and retired, and its key revoked."""
    urls = await prepare(Path(postgres_server.data_dir), make_database())
    async with running_api(tmp_path_factory.mktemp("api"), urls, automations_dir=folder, worker=False) as running:
        assert await registered(running) == 1
        for who, verb in (("author", "evaluate"), ("owner", "approve"), ("owner", "release"), ("owner", "retire")):
            assert (await step(running, who, 1, verb)).status_code == 200
        assert (await running.as_("owner").post("/v1/models/keys:rotate", json={"revoke": True})).status_code == 201
        yield running

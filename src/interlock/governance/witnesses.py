"""Witnesses: outsiders who keep, or date, what the log signed. Only one of them catches a tail that was cut off, or a log written anew.

A witness is handed a signed checkpoint and gives a statement that is stored beside the log. Whoever keeps notes (a file, a bucket) is asked
for them later, and every one must still be a beginning of the log. A time-stamping authority (RFC 3161) keeps nothing; its statement says
that the checkpoint existed at a time, and proves it to whoever still has the statement.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography import x509

from interlock.domain.errors import AuditBroken, ConfigurationError, Unavailable
from interlock.infra.http import GuardedClient
from interlock.infra.settings import WITNESS_FILE_LIMIT

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

STATEMENT_BYTES_MAX: Final = 64 * 1024
_QUERY: Final = "application/timestamp-query"


class Witness(Protocol):
    """One witness. `name` tells it apart in stored statements, `limit` is what it does not prove (None: nothing to warn of)."""

    name: str
    kind: str
    limit: str | None

    async def held(self) -> list[str] | None:
        """Give the notes that it keeps itself, oldest first; None where it keeps none. Raises Unavailable or AuditBroken."""
        ...

    async def state(self, note: str) -> bytes:
        """Hand it a note; gives its statement once that is durable there. Raises Unavailable, or AuditBroken for a contradiction."""
        ...

    def check(self, note: str, statement: bytes) -> None:
        """Check that a statement is this witness's own of this note; raises AuditBroken."""
        ...


class Bucket(Protocol):
    """What a bucket must do: put what is not there yet, read, list."""

    async def put_new(self, key: str, data: bytes) -> bool: ...

    async def get(self, key: str) -> bytes: ...

    async def keys(self, prefix: str) -> list[str]: ...


def check_same(note: str, statement: bytes) -> None:
    """Check a statement that is the note itself."""
    if statement != note.encode():
        raise AuditBroken("The witness's statement is of another checkpoint.")


class FileWitness:
    """Notes in a file outside of the data folder, one JSON line each, appended and made durable."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = "file"
        self.limit: str | None = WITNESS_FILE_LIMIT

    async def held(self) -> list[str] | None:
        return await asyncio.to_thread(self._read)

    async def state(self, note: str) -> bytes:
        await asyncio.to_thread(self._append, note)
        return note.encode()

    def check(self, note: str, statement: bytes) -> None:
        check_same(note, statement)

    def _read(self) -> list[str]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unavailable(error) from error
        whole, _, _torn = data.rpartition(b"\n")  # a line that a power cut left unfinished was never stated
        try:
            notes = [json.loads(line)["note"] for line in whole.split(b"\n") if line]
        except (ValueError, KeyError, TypeError) as error:
            raise AuditBroken(f"The witness file {self.path} holds what no witness wrote.") from error
        if not all(isinstance(note, str) for note in notes):
            raise AuditBroken(f"The witness file {self.path} holds what no witness wrote.")
        return notes

    def _append(self, note: str) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                data = file.read()
                end = data.rfind(b"\n") + 1
                line = json.dumps({"note": note}).encode() + b"\n"
                if data[:end].endswith(b"\n" + line) or data[:end] == line:
                    return
                file.truncate(end)
                file.seek(end)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"The witness file {self.path} cannot be used: {error.strerror or error}.",
            fix="Make it writable, or name another one with INTERLOCK_AUDIT_WITNESS_FILE.",
        )


class BucketWitness:
    """Notes as objects that are put only where nothing is: on a bucket with a retention lock nobody can take them back."""

    kind = "bucket"
    limit: str | None = None

    def __init__(self, bucket: Bucket, *, origin: str) -> None:
        self._bucket = bucket
        self._prefix = re.sub(r"[^A-Za-z0-9._-]", "-", origin)
        self.name = "bucket"

    async def held(self) -> list[str] | None:
        keys = sorted(await self._bucket.keys(self._prefix))
        found = await asyncio.gather(*(self._bucket.get(key) for key in keys))
        return [data.decode("utf-8", "replace") for data in found]

    async def state(self, note: str) -> bytes:
        size = note.split("\n", 2)[1]
        key = f"{self._prefix}/{int(size):020d}.note"
        if not await self._bucket.put_new(key, note.encode()):
            there = await self._bucket.get(key)
            if there != note.encode():
                raise AuditBroken(
                    f"The bucket holds another checkpoint of size {size}: the log was written anew.",
                    fix="Keep the database as it is and run `interlock audit verify`.",
                )
        return note.encode()

    def check(self, note: str, statement: bytes) -> None:
        check_same(note, statement)


class TimestampWitness:
    """A time-stamping authority by RFC 3161: its token says that a note existed at a time.

    Args:
        roots: certificates of the authorities that are trusted (PEM).
    """

    kind = "rfc3161"
    limit: str | None = None

    def __init__(self, url: str, client: GuardedClient, *, roots: bytes) -> None:
        self._url = url
        self._client = client
        self.name = "rfc3161"
        try:
            self._roots = x509.load_pem_x509_certificates(roots)
        except ValueError as error:
            raise ConfigurationError(
                "INTERLOCK_AUDIT_TSA_ROOTS holds no certificates.", fix="Give the authority's root certificates as PEM."
            ) from error

    async def held(self) -> list[str] | None:
        return None

    async def state(self, note: str) -> bytes:
        # Imported where it is used: six megabytes that only an installation with an authority needs.
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415

        builder = TimestampRequestBuilder(data=note.encode(), hash_algorithm=HashAlgorithm.SHA256)
        request = builder.build()
        answer = await self._client.post(self._url, request.as_bytes(), {"content-type": _QUERY})
        if answer.status != 200 or len(answer.body) > STATEMENT_BYTES_MAX:
            raise Unavailable(f"The time-stamping authority answered {answer.status} with {len(answer.body)} bytes.")
        try:
            self._verify(note, answer.body, nonce=request.nonce)
        except AuditBroken as error:
            raise Unavailable(
                f"The time-stamping authority's answer does not hold: {error.detail}",
                fix="Look at INTERLOCK_AUDIT_TSA_URL and INTERLOCK_AUDIT_TSA_ROOTS.",
            ) from error
        return answer.body

    def check(self, note: str, statement: bytes) -> None:
        self._verify(note, statement, nonce=None)

    def _verify(self, note: str, answer: bytes, *, nonce: int | None) -> None:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415

        try:
            response: TimeStampResponse = decode_timestamp_response(answer)
            verifier = VerifierBuilder(roots=list(self._roots), nonce=nonce).build()
            holds = verifier.verify_message(response, note.encode())
        except (VerificationError, ValueError) as error:
            raise AuditBroken(f"The timestamp does not hold: {str(error)[:200]}.") from error
        if not holds:
            raise AuditBroken("The timestamp does not hold.")

"""The object store: bytes by key, in a folder or in somebody's cloud (S3, GCS, Azure) by `obstore`."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore as Backend
from obstore.store import from_url

from interlock.domain.errors import NotFound, Unavailable

PIECE_BYTES = 1024 * 1024
PROBE_S = 10.0
PROBE_KEY = "interlock-probe"


class Objects:
    """Objects under one URL. A key is written once: writing it again with other bytes leaves the first."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = urlsplit(url)
        if parts.scheme == "file":
            Path(unquote(parts.path)).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._backend: Backend = from_url(url)

    async def probe(self) -> None:
        """See that the store takes an object and gives it up again.

        Raises:
            Unavailable: it does not within `PROBE_S`; names the setting.
        """
        fix = "Check INTERLOCK_OBJECT_STORE_URL, that the bucket exists, and the credentials in the environment."
        try:
            async with asyncio.timeout(PROBE_S):
                await obstore.put_async(self._backend, PROBE_KEY, b"probe")
                await obstore.delete_async(self._backend, PROBE_KEY)
        except TimeoutError as error:
            raise Unavailable(f"The object store did not answer within {PROBE_S:g} s.", fix=fix) from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store takes nothing: {_brief(error)}", fix=fix) from error

    async def put(self, key: str, data: bytes) -> None:
        """Write an object; durable when it returns. Raises Unavailable where the store does not take it (a full disk too)."""
        await self.put_new(key, data)

    async def put_new(self, key: str, data: bytes) -> bool:
        """Write an object where there is none, and tell whether that was so; raises as `put` does."""
        try:
            await obstore.put_async(self._backend, key, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store does not take {key}: {_brief(error)}", retry_after_s=5) from error
        return True

    async def keys(self, prefix: str) -> list[str]:
        """List the keys below a prefix, in any order. Raises Unavailable."""
        try:
            return [found["path"] async for page in obstore.list(self._backend, prefix) for found in page]
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store does not answer: {_brief(error)}", retry_after_s=5) from error

    async def get(self, key: str) -> bytes:
        """Read an object. Raises NotFound or Unavailable."""
        try:
            result = await obstore.get_async(self._backend, key)
            return bytes(await result.bytes_async())
        except FileNotFoundError as error:
            raise NotFound(f"The object {key} is not in the object store.") from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store does not answer: {_brief(error)}", retry_after_s=5) from error

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error. Raises Unavailable."""
        try:
            await obstore.delete_async(self._backend, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store does not give up {key}: {_brief(error)}", retry_after_s=5) from error

    async def sha256(self, key: str) -> str:
        """Give the digest (hex) of an object, read a piece at a time. Raises NotFound or Unavailable."""
        digest = hashlib.sha256()
        try:
            async for piece in (await obstore.get_async(self._backend, key)).stream(min_chunk_size=PIECE_BYTES):
                digest.update(piece)
        except FileNotFoundError as error:
            raise NotFound(f"The object {key} is not in the object store.") from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object store does not answer: {_brief(error)}", retry_after_s=5) from error
        return digest.hexdigest()


class MemoryObjects:
    """The fake of the object store, for tests and `interlock.testing`."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    async def put(self, key: str, data: bytes) -> None:
        self._held.setdefault(key, data)

    async def put_new(self, key: str, data: bytes) -> bool:
        new = key not in self._held
        self._held.setdefault(key, data)
        return new

    async def keys(self, prefix: str) -> list[str]:
        return [key for key in self._held if key.startswith(f"{prefix}/")]

    async def get(self, key: str) -> bytes:
        if key not in self._held:
            raise NotFound(f"The object {key} is not in the object store.")
        return self._held[key]

    async def delete(self, key: str) -> None:
        self._held.pop(key, None)

    async def sha256(self, key: str) -> str:
        return hashlib.sha256(await self.get(key)).hexdigest()


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]

"""The command line as a client of the public API: finds the URL and the key, and turns problems back into errors."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import quote

import httpx

from interlock.domain.errors import FieldError, InterlockError, InvalidInput, Unavailable
from interlock.infra.data_folder import DataFolder
from interlock.infra.run_state import read_state
from interlock.infra.settings import Settings

TIMEOUT_S = 60.0
DOWNLOAD_TIMEOUT_S = 600.0
RETRY_S = 30.0
_EXITS = {400: 2, 401: 4, 403: 4, 404: 3, 409: 1, 413: 2, 415: 2, 422: 2, 429: 5, 502: 5, 503: 5, 504: 5}


class Problem(InterlockError):
    """What the API answered (RFC 9457), as an error of this process."""

    code: ClassVar[str] = "api.problem"

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        fields = [
            FieldError(**{k: e[k] for k in ("pointer", "detail", "kind") if k in e}) for e in body.get("errors", [])
        ]
        detail = str(body.get("detail") or body.get("title") or f"the API answered {status}")
        lines = "".join(f"\n  {f.pointer}: {f.detail}" for f in fields)
        super().__init__(detail + lines, fix=body.get("fix"), fields=fields, extra={"problem": dict(body)})
        self.__dict__.update(
            code=body.get("code", "api.problem"),
            title=str(body.get("title", "Refused")),
            status=status,
            retryable=bool(body.get("retryable", False)),
            exit_code=_EXITS.get(status, 1),
        )


def part(text: str) -> str:
    """Give an argument as one part of a path, so that an ID such as `../keys` names nothing but itself."""
    quoted = quote(text.encode("utf-8", "surrogateescape"), safe="")
    # Dots alone would be taken for a way up, also where they are escaped.
    if not quoted.strip(".") or "%00" in quoted:
        raise InvalidInput(f"{text!r} is no ID.", fix="Give an ID or a name as a list shows it.")
    return quoted


class Client:
    """Calls the API of an installation. Requests that may be repeated are, while it is away for a moment."""

    def __init__(self, settings: Settings) -> None:
        folder = DataFolder(settings.data_dir)
        url = settings.api_url
        if url is None:
            state = read_state(folder.state)
            if state is None or not state.url or state.phase in ("stopped", "failed"):
                raise Unavailable(
                    f"Interlock does not run on {settings.data_dir}.",
                    fix="Start it with `interlock up`, or name another installation with --data or INTERLOCK_API_URL.",
                )
            url = state.url
        key = settings.api_key
        if key is None:
            try:
                key = folder.admin_key.read_text().strip()
            except OSError as error:
                raise Unavailable(
                    f"There is no API key in {folder.admin_key}.",
                    fix="Set INTERLOCK_API_KEY, or start with `interlock up`.",
                ) from error
        if not (key.isascii() and key.isprintable()):
            raise InvalidInput(
                "INTERLOCK_API_KEY holds characters that no API key has.",
                fix="Give it as `interlock key create` printed it: il_<env>_<id>_<secret>.",
            )
        headers = {"authorization": f"Bearer {key}"}
        if settings.elevation is not None:
            headers["interlock-elevation"] = quote(settings.elevation)
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        self._close = weakref.finalize(
            self, self._http.close
        )  # a command that makes one for a single call need not think of it
        self.url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str, **params: Any) -> Any:
        return self._request("GET", path, params={k: v for k, v in params.items() if v is not None})

    def text(self, path: str) -> str:
        """Get what is no JSON."""
        return self._sent("GET", path).text

    def post(
        self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, repeat: bool = False
    ) -> Any:
        """Send a JSON body; `repeat` where doing it twice is the same as once."""
        return self._request(
            "POST", path, json={} if body is None else body, headers=dict(headers or {}), repeat=repeat
        )

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Put, and give the answer's JSON."""
        return self._request("PUT", path, json=body)

    def upload(self, path: str, *, filename: str, data: bytes) -> Any:
        """Send a file. A name that is not UTF-8 has no form in a request: what cannot be told of it is replaced."""
        name = filename.encode("utf-8", "replace").decode()
        return self._request("POST", path, files={"file": (name, data)}, repeat=True)

    def download(self, path: str, out: Path, **params: Any) -> int:
        """Write what the API streams into a new file; gives its size. Nothing is left of one that broke off."""
        wanted = {name: value for name, value in params.items() if value is not None}
        try:
            file = out.open("xb")
        except OSError as error:
            raise InvalidInput(
                f"{out} cannot be written: {error.strerror}.", fix="Name a file that is not there."
            ) from error
        try:
            with file, self._http.stream("GET", path, params=wanted, timeout=DOWNLOAD_TIMEOUT_S) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _problem(response)
                for chunk in response.iter_raw():
                    file.write(chunk)
                return file.tell()
        except httpx.TransportError as error:
            out.unlink(missing_ok=True)
            raise Unavailable(f"The API at {self.url} broke off: {error}.", fix="Try again.") from error
        except BaseException:
            out.unlink(missing_ok=True)
            raise

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def _request(self, method: str, path: str, *, repeat: bool = False, **arguments: Any) -> Any:
        response = self._sent(method, path, repeat=repeat, **arguments)
        return response.json() if response.content else None

    def _sent(self, method: str, path: str, *, repeat: bool = False, **arguments: Any) -> httpx.Response:
        until = time.monotonic() + RETRY_S
        while True:
            try:
                response = self._http.request(method, path, **arguments)
                if response.status_code != 503 or not (repeat or method == "GET") or time.monotonic() > until:
                    break
            except UnicodeEncodeError as error:
                raise InvalidInput("An argument is not UTF-8.", fix="Give all arguments in UTF-8.") from error
            except httpx.TransportError as error:
                if not (repeat or method == "GET") or time.monotonic() > until:
                    raise Unavailable(
                        f"The API at {self.url} does not answer: {error}.", fix="Look at `interlock status`."
                    ) from error
            time.sleep(0.25)
        if response.status_code >= 400:
            raise _problem(response)
        return response


def _problem(response: httpx.Response) -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text[:500]}
    return Problem(response.status_code, body if isinstance(body, dict) else {"detail": str(body)})

"""The settings of who may come in: sessions, tries to sign in, and proxies. Part of `Settings`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator


def from_commas(value: Any) -> Any:
    """Read `a,b` as a list; white space and empty items are dropped."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


List = Annotated[tuple[str, ...], BeforeValidator(from_commas)]


class CallerSettings(BaseModel):
    """Sessions and signing in."""

    session_idle_s: float = Field(
        1800.0, ge=10, le=2_592_000, description="Seconds without a request after which a session is over."
    )
    session_s: float = Field(
        43_200.0, ge=10, le=7_776_000, description="Seconds after which a session is over however much it is used."
    )
    sessions_max: int = Field(
        20, ge=1, le=1000, description="Open sessions of one person; the oldest ends when another one begins."
    )
    sign_in_tries_max: int = Field(
        10, ge=1, le=1000, description="Tries of a person's password in one window; beyond it 429 until it is over."
    )
    sign_in_address_tries_max: int = Field(
        100, ge=1, le=1_000_000, description="Tries from one address in one window, whoever is named."
    )
    sign_in_window_s: float = Field(900.0, ge=1, le=86_400, description="Seconds in which tries are counted together.")
    public_url: str | None = Field(
        None,
        description="Where browsers reach this installation, `https://interlock.example.com`: identity providers send them back there.",
    )
    delegation_days_max: int = Field(
        30, ge=1, le=366, description="Days for which a person may lend another their rights to answer reviews."
    )
    elevation_minutes_max: int = Field(
        120, ge=1, le=1440, description="Minutes for which an emergency elevation lasts at most."
    )
    trusted_proxies: List = Field(
        (),
        description="Addresses and networks of proxies whose X-Forwarded-For and -Proto are believed: `10.0.0.5`, `10.0.0.0/8`.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item)  # its message names the mistake
        return value

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://unset")
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or (parts.scheme != "https" and not (local and parts.scheme == "http")):
            raise ValueError("should be https://HOST, or http:// of this machine")
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("should be an origin alone, without path, query or credentials")
        return None if value is None else value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.session_idle_s > self.session_s:
            raise ValueError("INTERLOCK_SESSION_IDLE_S must not be over INTERLOCK_SESSION_S")
        return self

"""The settings of who may come in: sessions, tries to sign in, proxies, and the OIDC provider. Part of `Settings`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

# No `none`, and nothing symmetric: an HMAC under what everybody may read proves nothing.
OIDC_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


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
    trusted_proxies: List = Field(
        (),
        description="Addresses and networks of proxies whose X-Forwarded-For and -Proto are believed: `10.0.0.5`, `10.0.0.0/8`.",
    )
    oidc_issuer: str | None = Field(
        None, description="OIDC provider that people sign in by, as its tokens name it; unset: none."
    )
    oidc_client_id: str | None = Field(None, min_length=1, description="What the provider calls this installation.")
    oidc_client_secret: str | None = Field(
        None, repr=False, min_length=1, description="The secret that goes with it; unset for a public client."
    )
    oidc_redirect_url: str | None = Field(
        None, description="Where the provider sends people back: https://HOST/v1/sign-in/oidc/callback."
    )
    oidc_algorithms: List = Field(("RS256",), min_length=1, description="How the provider's tokens may be signed.")
    oidc_scopes: List = Field(("openid", "profile"), min_length=1, description="What is asked of the provider.")
    oidc_user_claim: str = Field(
        "sub", min_length=1, description="Claim of the ID token that becomes NAME in user:NAME."
    )
    oidc_groups_claim: str = Field(
        "groups",
        min_length=1,
        description="Claim that lists a person's groups: texts, or SCIM objects with display or value.",
    )
    oidc_group_roles: List = Field(
        (), description="What groups give, each as `group=role+role`; a group that is not here gives nothing."
    )
    oidc_tenant: str = Field("default", min_length=1, description="Tenant that people come into by the provider.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ipaddress.ip_network(item)  # its message names the mistake
        return value

    @field_validator("oidc_issuer", "oidc_redirect_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("the URL should begin with http:// or https://, as in https://id.example.org")
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _pinned(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            if item not in OIDC_ALGORITHMS:
                raise ValueError(f"{item!r} should be one of {', '.join(OIDC_ALGORITHMS)}")
        return value

    @field_validator("oidc_group_roles")
    @classmethod
    def _group_and_roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            group, _, roles = item.rpartition("=")
            if not group or not all(roles.split("+")):
                raise ValueError(f"{item!r} should be group=role+role, as in Finance=reviewer+manager")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.session_idle_s > self.session_s:
            raise ValueError("INTERLOCK_SESSION_IDLE_S must not be over INTERLOCK_SESSION_S")
        given = [self.oidc_issuer, self.oidc_client_id, self.oidc_redirect_url]
        if any(given) and not all(given):
            raise ValueError("INTERLOCK_OIDC_ISSUER, _CLIENT_ID and _REDIRECT_URL belong together")
        return self

    @property
    def group_roles(self) -> dict[str, tuple[str, ...]]:
        """What groups give, by group."""
        pairs = (item.rpartition("=") for item in self.oidc_group_roles)
        return {group: tuple(roles.split("+")) for group, _, roles in pairs}

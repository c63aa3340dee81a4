"""Identity providers: whose word a tenant takes for who somebody is (OpenID Connect), and which of their groups has which roles.

Groups and roles have the shape that SCIM gives them (RFC 7643: `groups[].value`, `groups[].display`). Roles follow from groups alone, at every
sign-in anew: whoever is in no group of the list does not get in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from interlock.domain import canonical
from interlock.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from interlock.infra.database import Connection
from interlock.infra.sealing import Sealing

PROVIDERS_MAX: Final = 20
GROUPS_OF_A_PERSON_MAX: Final = 1_000
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_SET: Final = (
    "issuer, client_id, sealed_secret, algorithm, audience, scopes, groups_claim, user_claim, required_claims, groups"
)
_COLUMNS: Final = f"name, {_SET}, set_by, set_at"
_SELECT: Final = f"select {_COLUMNS} from identity_providers where tenant = current_tenant()"
_PUT: Final = f"""
insert into identity_providers (tenant, name, {_SET}, set_by)
values (current_tenant(), %(name)s, %(issuer)s, %(client_id)s, %(sealed)s, %(algorithm)s, %(audience)s, %(scopes)s, %(groups_claim)s,
    %(user_claim)s, %(required)s::jsonb, %(groups)s::jsonb, %(by)s)
on conflict (tenant, name) do update set ({_SET}, set_by, set_at) = (excluded.{_SET.replace(", ", ", excluded.")}, excluded.set_by, time_now())"""
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z")


@dataclass(frozen=True, kw_only=True)
class GroupRoles:
    """What a group's people may. `value` is the group's ID there; where it is None, the group is known by `display`, its name."""

    display: str
    value: str | None = None
    roles: tuple[str, ...]
    approval_limit: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class IdentityProvider:
    """A provider as it is set. The client's secret is opened by `IdentityProviders.secret` alone.

    Attributes:
        algorithm: the one that its tokens are signed with; a token's header chooses nothing.
        audience: what tokens that programs send are for; None takes none.
        user_claim: which claim gives a person's name here: `sub`, `email` (verified) or `preferred_username`.
        required_claims: claims that must have these values, such as Google's `hd`.
    """

    name: str
    issuer: str
    client_id: str
    algorithm: str
    audience: str | None
    scopes: tuple[str, ...]
    groups_claim: str
    user_claim: str
    required_claims: Mapping[str, str]
    groups: tuple[GroupRoles, ...]
    has_secret: bool = False
    set_by: str = ""
    set_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What somebody's groups give: roles, and the highest limit that one of them states (None: none states one)."""

    roles: tuple[str, ...]
    approval_limit: Decimal | None


def granted(provider: IdentityProvider, claims: Mapping[str, Any]) -> Granted | None:
    """Give what claims give in roles; None where none of the provider's groups is among them, or a required claim is another one."""
    if any(claims.get(name) != value for name, value in provider.required_claims.items()):
        return None
    given = claims.get(provider.groups_claim)
    if not isinstance(given, list) or len(given) > GROUPS_OF_A_PERSON_MAX:
        return None
    ids: set[str] = set()
    names: set[str] = set()
    for group in given:
        if isinstance(group, str):
            ids.add(group)
            names.add(group)
        elif isinstance(group, dict):
            ids |= {group["value"]} if isinstance(group.get("value"), str) else set()
            names |= {group["display"]} if isinstance(group.get("display"), str) else set()
    theirs = [g for g in provider.groups if (g.display in names if g.value is None else g.value in ids)]
    roles = sorted({role for group in theirs for role in group.roles})
    limits = [group.approval_limit for group in theirs if group.approval_limit is not None]
    return Granted(roles=tuple(roles), approval_limit=max(limits, default=None)) if roles else None


def account_id(provider: IdentityProvider, kind: str, claims: Mapping[str, Any], subject_digest: str) -> str | None:
    """Give what somebody of a provider is called here; None where the claim that says it is missing, not verified, or no name.

    A name from `sub` begins with the provider's, so that nobody chooses to be called as somebody else is.
    """
    if kind == "service" or provider.user_claim == "sub":
        subject = claims["sub"]
        return f"{kind}:{provider.name}.{subject if _PLAIN.match(subject) else subject_digest}"
    value = claims.get(provider.user_claim)
    if provider.user_claim == "email" and claims.get("email_verified") is not True:
        return None
    return f"{kind}:{value.lower()}" if isinstance(value, str) and _PLAIN.match(value) else None


class IdentityProviders:
    """The store. Verbs run inside a transaction of the tenant, which is what makes them durable."""

    def __init__(self, key: bytes) -> None:
        self._sealing = Sealing(key)

    async def put(
        self, conn: Connection, tenant: str, provider: IdentityProvider, *, secret: str | None, by: str
    ) -> IdentityProvider:
        """Set a provider. Without `secret` the client keeps the one it has, which is bound to issuer and client.

        Raises:
            InvalidInput: a secret would go to another issuer, or there are too many. Conflict: another one has the issuer.
        """
        await conn.execute(
            "select pg_advisory_xact_lock(hashtextextended('identity_providers ' || current_tenant(), 0))"
        )
        others = {p.name: (p, sealed) for p, sealed in await _all(conn)}
        before, sealed = others.pop(provider.name, (None, None))
        if any(other.issuer == provider.issuer for other, _ in others.values()):
            raise Conflict(
                "Another identity provider has this issuer.", fix="Change that one: accounts belong to an issuer."
            )
        if before is None and len(others) >= PROVIDERS_MAX:
            raise InvalidInput(f"A tenant has at most {PROVIDERS_MAX} identity providers.", fix="Remove one.")
        if secret is not None:
            sealed = self._sealing.seal(secret.encode(), *_bound(tenant, provider))
        elif sealed is not None and before is not None and _bound(tenant, before) != _bound(tenant, provider):
            raise InvalidInput(
                "The client's secret was given for another issuer or client.",
                fix="Give the secret for this one; an empty text takes it away.",
                fields=[FieldError(pointer="/client_secret", detail="is needed here", kind="missing")],
            )
        values = {
            **{name: getattr(provider, name) for name in ("name", "issuer", "client_id", "algorithm", "audience")},
            "groups_claim": provider.groups_claim,
            "user_claim": provider.user_claim,
            "scopes": list(provider.scopes),
            "sealed": None if secret == "" else sealed,
            "required": json.dumps(dict(provider.required_claims)),
            "groups": json.dumps([group_json(group) for group in provider.groups]),
            "by": by,
        }
        await conn.execute(_PUT.encode(), values)
        return await self.get(conn, provider.name)

    async def remove(self, conn: Connection, name: str) -> IdentityProvider:
        """Remove a provider with its secret; raises NotFound."""
        found = await self.get(conn, name)
        await conn.execute("delete from identity_providers where tenant = current_tenant() and name = %s", (name,))
        return found

    async def get(self, conn: Connection, name: str) -> IdentityProvider:
        """Give a provider by its name; raises NotFound."""
        if (found := await self._find(conn, "name", name)) is None:
            raise NotFound(f"There is no identity provider {name!r}.", fix="See `interlock provider list`.")
        return found[0]

    async def still_as(self, conn: Connection, provider: IdentityProvider) -> bool:
        """Tell whether a provider is set as it was, and keep it so until the transaction ends."""
        row = await (await conn.execute(f"{_SELECT} and name = %s for share".encode(), (provider.name,))).fetchone()
        return row is not None and _provider(row)[0] == provider

    async def of_issuer(self, conn: Connection, issuer: str) -> IdentityProvider | None:
        """Give the provider of an issuer, if there is one."""
        found = await self._find(conn, "issuer", issuer)
        return None if found is None else found[0]

    async def list(self, conn: Connection) -> list[IdentityProvider]:
        """List the tenant's providers by name."""
        return await all_providers(conn)

    async def secret(self, conn: Connection, tenant: str, name: str) -> str | None:
        """Open the client's secret, for the exchange of a code alone; raises NotFound, or Conflict where the key is another one."""
        if (found := await self._find(conn, "name", name)) is None:
            raise NotFound(f"There is no identity provider {name!r}.")
        provider, sealed = found
        if sealed is None:
            return None
        try:
            return self._sealing.open(sealed, *_bound(tenant, provider)).decode()
        except InvalidTag as error:
            raise Conflict(
                f"The secret of the identity provider {name!r} cannot be opened: it was sealed for another one, or with another master key.",
                fix="Set it again.",
            ) from error

    async def _find(self, conn: Connection, column: str, value: str) -> tuple[IdentityProvider, bytes | None] | None:
        row = await (await conn.execute(f"{_SELECT} and {column} = %s".encode(), (value,))).fetchone()
        return None if row is None else _provider(row)


async def all_providers(conn: Connection) -> list[IdentityProvider]:
    """Give the tenant's providers by name."""
    return [provider for provider, _ in await _all(conn)]


async def _all(conn: Connection) -> list[tuple[IdentityProvider, bytes | None]]:
    rows = await (await conn.execute(f"{_SELECT} order by name".encode())).fetchall()
    return [_provider(row) for row in rows]


def group_json(group: GroupRoles) -> dict[str, Any]:
    """Give a group as it is stored and shown; the limit is a decimal string."""
    limit = None if group.approval_limit is None else format(group.approval_limit, "f")
    return {"display": group.display, "value": group.value, "roles": list(group.roles), "approval_limit": limit}


def provider_facts(provider: IdentityProvider) -> dict[str, Any]:
    """Give what a leaf says of a provider: whose word is taken, and for which roles."""
    return {
        "issuer": provider.issuer,
        "client": provider.client_id,
        "algorithm": provider.algorithm,
        "audience": provider.audience,
        "roles": sorted({role for group in provider.groups for role in group.roles}),
    }


def provider_parts(provider: IdentityProvider) -> tuple[str, ...]:
    """Give what a leaf commits to: who set it, and the rest, of which a group's name may say too much."""
    rest = {
        "groups": [group_json(group) for group in provider.groups],
        "groups_claim": provider.groups_claim,
        "user_claim": provider.user_claim,
        "required_claims": dict(provider.required_claims),
        "scopes": list(provider.scopes),
    }
    return provider.set_by, canonical.dumps(rest).decode()


def _bound(tenant: str, provider: IdentityProvider) -> tuple[str, ...]:
    return ("client-secret", tenant, provider.name, provider.issuer, provider.client_id)


def _provider(row: Sequence[Any]) -> tuple[IdentityProvider, bytes | None]:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    sealed = fields.pop("sealed_secret")
    groups = tuple(
        GroupRoles(
            display=group["display"],
            value=group["value"],
            roles=tuple(group["roles"]),
            approval_limit=None if group["approval_limit"] is None else Decimal(group["approval_limit"]),
        )
        for group in fields.pop("groups")
    )
    found = IdentityProvider(**fields | {"scopes": tuple(fields["scopes"])}, groups=groups)
    return replace(found, has_secret=sealed is not None), None if sealed is None else bytes(sealed)

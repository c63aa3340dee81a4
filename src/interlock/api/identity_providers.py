"""Identity providers of a tenant: set, list, show, test, remove. No route gives a client's secret."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from interlock.api.auth import CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.keys import Amount, Role
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.errors import FieldError, InvalidInput
from interlock.governance import ask
from interlock.governance.identity_providers import GroupRoles, IdentityProvider, group_json
from interlock.governance.provider_metadata import is_issuer

router = APIRouter(prefix="/v1/identity-providers", tags=["identity providers"], route_class=StrictRoute)
Name = Annotated[
    str, Path(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32, description="Lower-case words joined by dashes.")
]
Text = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$", max_length=255)]
Label = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)]
Algorithm = Literal["RS256", "ES256", "EdDSA"]
UserClaim = Literal["sub", "email", "preferred_username"]


class Group(BaseModel):
    """A group there, and what its people may here; `value` and `display` are those of SCIM (RFC 7643)."""

    model_config = ConfigDict(extra="forbid")

    display: Label = Field(description="The group's name; what it is known by where there is no `value`.")
    value: Label | None = Field(None, description="The group's ID there, where tokens carry IDs.")
    roles: list[Role] = Field(min_length=1, max_length=32)
    approval_limit: Amount | None = Field(
        None, description="The most that they may approve; the highest one of several."
    )


class ProviderRequest(BaseModel):
    """An identity provider as it shall be, whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "issuer": "https://login.example.com",
                    "client_id": "interlock",
                    "client_secret": "…",
                    "groups": [{"display": "finance", "roles": ["reviewer"], "approval_limit": "2000"}],
                }
            ]
        },
    )

    issuer: Text = Field(description="Its URL, exactly as its tokens say in `iss`.")
    client_id: Text = Field(description="What this installation is called there.")
    client_secret: Annotated[SecretStr, Field(max_length=1024)] | None = Field(
        None, description="ASCII. Left out: it stays as it was. Empty: there is none, and PKCE protects alone."
    )
    algorithm: Algorithm = Field("RS256", description="What its tokens are signed with; no other is believed.")
    audience: Text | None = Field(None, description="What programs' access tokens are for; without one none is taken.")
    scopes: list[Text] = Field(
        default_factory=lambda: ["profile", "email"], max_length=20, description="What is asked for beside `openid`."
    )
    groups_claim: Text = Field("groups", description="The claim with a person's groups: names, IDs, or SCIM's objects.")
    user_claim: UserClaim = Field("sub", description="The claim that a person is called by here.")
    required_claims: dict[Text, Label] = Field(
        default_factory=dict, max_length=10, description="Claims that must have this value, such as Google's `hd`."
    )
    groups: list[Group] = Field(min_length=1, max_length=200, description="Who is in none of them does not get in.")


class Provider(BaseModel):
    """An identity provider, without its client's secret."""

    name: str
    issuer: str
    client_id: str
    has_secret: bool = Field(description="Whether a client's secret is kept.")
    algorithm: Algorithm
    audience: str | None
    scopes: list[str]
    groups_claim: str
    user_claim: UserClaim
    required_claims: dict[str, str]
    groups: list[dict[str, Any]] = Field(description="As they were set.")
    set_by: str
    set_at: At


class ProviderList(BaseModel):
    """The tenant's identity providers by name."""

    items: list[Provider]


class ProviderCheck(BaseModel):
    """What a provider published just now."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    keys: int = Field(description="How many of its keys fit the algorithm.")


@router.put(
    "/{name}",
    operation_id="set_identity_provider",
    response_model=Provider,
    responses=responses(404, 409, 413),
    summary="Set an identity provider",
)
async def set_provider(caller: CallerDep, name: Name, body: ProviderRequest) -> Provider:
    """Take the word of an identity provider for who somebody is, and which roles their groups give. Replaces what was set."""
    caller.require("provider.write", ask.system(caller.tenant))
    secret = None if body.client_secret is None else body.client_secret.get_secret_value()
    wrong = (
        [] if is_issuer(body.issuer) else [FieldError(pointer="/issuer", detail="not an https:// URL without a query")]
    )
    if secret is not None and not (secret.isascii() and secret.isprintable()):
        wrong.append(FieldError(pointer="/client_secret", detail="has characters beyond printable ASCII"))
    if wrong:
        raise InvalidInput("The provider cannot be set so.", fix="See `errors` for what is wrong where.", fields=wrong)
    fields = body.model_dump(exclude={"client_secret", "groups", "scopes"})
    groups = [GroupRoles(**group.model_dump() | {"roles": tuple(group.roles)}) for group in body.groups]
    provider = IdentityProvider(name=name, **fields, scopes=tuple(body.scopes), groups=tuple(groups))
    return _shown(await caller.app.access.providers.put(caller.principal, provider, secret=secret))


@router.get(
    "",
    operation_id="list_identity_providers",
    response_model=ProviderList,
    responses=responses(),
    summary="List identity providers",
)
async def list_providers(caller: CallerDep) -> ProviderList:
    """List them by name, without secrets; there are few."""
    caller.require("provider.read", ask.system(caller.tenant))
    return ProviderList(items=[_shown(one) for one in await caller.app.access.providers.list(caller.tenant)])


@router.get(
    "/{name}",
    operation_id="get_identity_provider",
    response_model=Provider,
    responses=responses(404),
    summary="Get an identity provider",
)
async def get_provider(caller: CallerDep, name: Name) -> Provider:
    """Tell how a provider is set, without its client's secret."""
    caller.require("provider.read", ask.system(caller.tenant))
    return _shown(await caller.app.access.providers.get(caller.tenant, name))


@router.post(
    "/{name}:test",
    operation_id="test_identity_provider",
    response_model=ProviderCheck,
    responses=responses(404, 502),
    summary="Test an identity provider",
)
async def test_provider(caller: CallerDep, name: Name) -> ProviderCheck:
    """Fetch what the provider publishes: its endpoints, and keys for the algorithm that is set. Nobody is signed in."""
    caller.require("provider.write", ask.system(caller.tenant))
    provider = await caller.app.access.providers.get(caller.tenant, name)
    endpoints, keys = await caller.app.access.federation.metadata.check(provider)
    return ProviderCheck(
        issuer=provider.issuer,
        authorization_endpoint=endpoints.authorization,
        token_endpoint=endpoints.token,
        keys=keys,
    )


@router.delete(
    "/{name}",
    operation_id="remove_identity_provider",
    status_code=204,
    response_class=Response,
    responses=responses(404),
    summary="Remove an identity provider",
)
async def remove_provider(caller: CallerDep, name: Name) -> Response:
    """Take its word no longer. Who signed in by it is signed out; their accounts stay, without a way in."""
    caller.require("provider.write", ask.system(caller.tenant))
    await caller.app.access.providers.remove(caller.principal, name)
    return Response(status_code=204)


def _shown(found: IdentityProvider) -> Provider:
    fields = {name: getattr(found, name) for name in Provider.model_fields}
    fields |= {"scopes": list(found.scopes), "groups": [group_json(group) for group in found.groups]}
    return Provider(**fields | {"required_claims": dict(found.required_claims)})

"""People and service accounts: make, list, change, disable; tenants of the installation."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from interlock.api.auth import Caller, CallerDep
from interlock.api.bodies import StrictRoute
from interlock.api.keys import Amount, Role
from interlock.api.problems import responses
from interlock.api.values import At
from interlock.domain.decisions import Entity
from interlock.governance import ask
from interlock.governance.passwords import CHARS_MAX, CHARS_MIN
from interlock.orchestration import accounts

router = APIRouter(prefix="/v1", tags=["accounts"], route_class=StrictRoute)
UserId = Annotated[str, Path(max_length=132, description="The person, such as user:mei.")]
ServiceId = Annotated[str, Path(max_length=132, description="The service, such as service:intake.")]
Name = Annotated[str, Field(min_length=1, max_length=128, description="What people call it.")]
Password = Annotated[
    SecretStr,
    Field(min_length=1, max_length=CHARS_MAX, description=f"{CHARS_MIN} characters or more; common ones are refused."),
]
_PART = r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}$"
TENANTS_PAGE = 1_000


class ServiceRequest(BaseModel):
    """A service account to make."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "service:intake", "name": "The mail intake"}]}
    )

    id: str = Field(pattern=f"^service:{_PART}", description="service:NAME.")
    name: Name


class UserRequest(BaseModel):
    """A person to make an account for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "user:mei", "name": "Mei", "roles": ["reviewer"]}]}
    )

    id: str = Field(pattern=f"^user:{_PART}", description="user:NAME.")
    name: Name
    roles: list[Role] = Field(
        default_factory=list, max_length=32, description="What they may, once they are signed in."
    )
    approval_limit: Amount | None = Field(None, description="The most that they may approve; without one, no limit.")
    password: Password | None = Field(None, description="Without one they cannot sign in with a password.")


class RolesRequest(BaseModel):
    """What a person may from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"roles": ["reviewer", "manager"]}]})

    roles: list[Role] = Field(max_length=32)
    approval_limit: Amount | None = Field(None, description="The most that they may approve; without one, no limit.")


class PasswordRequest(BaseModel):
    """Another password."""

    model_config = ConfigDict(extra="forbid")

    password: Password
    current: SecretStr | None = Field(None, max_length=CHARS_MAX, description="The one before, for one's own account.")


class ServiceAccount(BaseModel):
    """A service: what programs call as."""

    id: str
    name: str
    created_by: str
    created_at: At
    disabled_at: At | None = Field(description="None of its keys opens anything since.")


class User(BaseModel):
    """A person who may sign in."""

    id: str
    name: str
    roles: list[str] = Field(description="Of their sessions; their keys have their own.")
    approval_limit: str | None = Field(description="Decimal string.")
    signs_in_by: list[Literal["password", "oidc"]]
    created_by: str
    created_at: At
    disabled_at: At | None


class UserList(BaseModel):
    """Every person's account, by ID."""

    items: list[User]


class ServiceList(BaseModel):
    """Every service account, by ID."""

    items: list[ServiceAccount]


@router.post(
    "/users", operation_id="create_user", status_code=201, response_model=User, responses=responses(409, 413),
    summary="Make a person's account",
)  # fmt: skip
async def create_user(caller: CallerDep, body: UserRequest) -> User:
    """Make an account with which a person signs in."""
    caller.require("account.create", ask.system(caller.tenant))
    password = None if body.password is None else body.password.get_secret_value()
    made = await caller.app.access.accounts.create(
        caller.principal,
        body.id,
        name=body.name,
        roles=body.roles,
        approval_limit=body.approval_limit,
        password=password,
    )
    return _user(made)


@router.get("/users", operation_id="list_users", response_model=UserList, responses=responses(), summary="List people")
async def list_users(caller: CallerDep) -> UserList:
    """List accounts of people, disabled ones too."""
    caller.require("account.list", ask.system(caller.tenant))
    return UserList(items=[_user(a) for a in await caller.app.access.accounts.list(caller.tenant, "user")])


@router.post(
    "/users/{user_id}:roles", operation_id="change_user_roles", response_model=User, responses=responses(404, 413),
    summary="Give a person other roles",
)  # fmt: skip
async def change_user_roles(caller: CallerDep, user_id: UserId, body: RolesRequest) -> User:
    """Replace a person's roles and limit; their open sessions have them at once."""
    caller.require("account.change", _person(caller, user_id))
    return _user(
        await caller.app.access.accounts.change(
            caller.principal, _kind(user_id, "user"), roles=body.roles, approval_limit=body.approval_limit
        )
    )


@router.post(
    "/users/{user_id}:password", operation_id="set_user_password", response_model=User, responses=responses(404, 409, 413),
    summary="Set a person's password",
)  # fmt: skip
async def set_user_password(caller: CallerDep, user_id: UserId, body: PasswordRequest) -> User:
    """Set a password; the person's other sessions end. Whoever changes their own gives the current one too."""
    caller.require("account.password", _person(caller, user_id))
    current = None if body.current is None else body.current.get_secret_value()
    return _user(
        await caller.app.access.accounts.set_password(
            caller.principal, _kind(user_id, "user"), body.password.get_secret_value(), current=current
        )
    )


@router.post(
    "/users/{user_id}:disable", operation_id="disable_user", response_model=User, responses=responses(404, 409),
    summary="Disable a person's account",
)  # fmt: skip
async def disable_user(caller: CallerDep, user_id: UserId) -> User:
    """Refuse the person's keys and end their sessions, at once."""
    caller.require("account.change", _person(caller, user_id))
    return _user(await caller.app.access.accounts.disable(caller.principal, _kind(user_id, "user")))


@router.post(
    "/users/{user_id}:enable", operation_id="enable_user", response_model=User, responses=responses(404, 409),
    summary="Enable a person's account again",
)  # fmt: skip
async def enable_user(caller: CallerDep, user_id: UserId) -> User:
    """Take the person's keys again; they sign in anew."""
    caller.require("account.change", _person(caller, user_id))
    return _user(await caller.app.access.accounts.enable(caller.principal, _kind(user_id, "user")))


@router.post(
    "/services", operation_id="create_service", status_code=201, response_model=ServiceAccount,
    responses=responses(409, 413), summary="Make a service account",
)  # fmt: skip
async def create_service(caller: CallerDep, body: ServiceRequest) -> ServiceAccount:
    """Make an account that keys of a program stand for."""
    caller.require("account.create", ask.system(caller.tenant))
    return _service(await caller.app.access.accounts.create(caller.principal, body.id, name=body.name))


@router.get(
    "/services",
    operation_id="list_services",
    response_model=ServiceList,
    responses=responses(),
    summary="List services",
)
async def list_services(caller: CallerDep) -> ServiceList:
    """List service accounts, disabled ones too."""
    caller.require("account.list", ask.system(caller.tenant))
    return ServiceList(items=[_service(a) for a in await caller.app.access.accounts.list(caller.tenant, "service")])


@router.post(
    "/services/{service_id}:disable", operation_id="disable_service", response_model=ServiceAccount,
    responses=responses(404, 409), summary="Disable a service account",
)  # fmt: skip
async def disable_service(caller: CallerDep, service_id: ServiceId) -> ServiceAccount:
    """Refuse all keys of the service, at once."""
    caller.require("account.change", _person(caller, service_id))
    return _service(await caller.app.access.accounts.disable(caller.principal, _kind(service_id, "service")))


@router.post(
    "/services/{service_id}:enable", operation_id="enable_service", response_model=ServiceAccount,
    responses=responses(404, 409), summary="Enable a service account again",
)  # fmt: skip
async def enable_service(caller: CallerDep, service_id: ServiceId) -> ServiceAccount:
    """Take the keys of the service again."""
    caller.require("account.change", _person(caller, service_id))
    return _service(await caller.app.access.accounts.enable(caller.principal, _kind(service_id, "service")))


class TenantRequest(BaseModel):
    """A tenant to make."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tenant": "acme", "name": "Acme", "owner": "user:olga"}]}
    )

    tenant: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="Its ID, for good.")
    name: Name
    owner: str = Field("user:admin", pattern=f"^user:{_PART}", description="Whom its first key stands for.")


class Tenant(BaseModel):
    """A tenant of the installation."""

    tenant: str
    name: str
    created_at: At


class NewTenant(Tenant):
    """A tenant that was made just now."""

    key: str = Field(description="The key of its first owner. It is not stored, and never shown again.")


class TenantList(BaseModel):
    """Tenants, by ID."""

    items: list[Tenant]
    next_after: str | None = Field(description="Give it as `after` for the next page; null at the end.")


@router.post(
    "/tenants", operation_id="create_tenant", status_code=201, response_model=NewTenant, responses=responses(409, 413),
    summary="Make a tenant",
)  # fmt: skip
async def create_tenant(caller: CallerDep, body: TenantRequest) -> NewTenant:
    """Make a tenant with the key of its first owner. Only owners of the first tenant may."""
    caller.require("tenant.create", ask.system(caller.tenant))
    made, key = await caller.app.access.tenants.create(caller.principal, body.tenant, name=body.name, owner=body.owner)
    return NewTenant(tenant=made.tenant, name=made.name, created_at=made.created_at, key=key)


@router.get(
    "/tenants", operation_id="list_tenants", response_model=TenantList, responses=responses(), summary="List tenants"
)
async def list_tenants(
    caller: CallerDep, after: Annotated[str, Query(max_length=64, description="Begin after this ID.")] = ""
) -> TenantList:
    """List the tenants of the installation. Only the first tenant may."""
    caller.require("tenant.list", ask.system(caller.tenant))
    found = await caller.app.access.tenants.list(after=after, limit=TENANTS_PAGE + 1)
    items = [Tenant(tenant=t.tenant, name=t.name, created_at=t.created_at) for t in found[:TENANTS_PAGE]]
    return TenantList(items=items, next_after=items[-1].tenant if len(found) > TENANTS_PAGE else None)


def _person(caller: Caller, account_id: str) -> Entity:
    return ask.account(caller.tenant, account_id)


def _kind(account_id: str, kind: accounts.Kind) -> str:
    """Give the ID, or one that nobody has where it is of the other kind: a route of people changes no service."""
    return account_id if account_id.startswith(f"{kind}:") else f"{kind}:{account_id}"


def _user(found: accounts.Account) -> User:
    ways: list[Literal["password", "oidc"]] = []
    ways += ["password"] if found.password_hash is not None else []
    ways += ["oidc"] if found.issuer is not None else []
    limit = None if found.approval_limit is None else format(found.approval_limit, "f")
    return User(
        id=found.id,
        name=found.name,
        roles=list(found.roles),
        approval_limit=limit,
        signs_in_by=ways,
        created_by=found.created_by,
        created_at=found.created_at,
        disabled_at=found.disabled_at,
    )


def _service(found: accounts.Account) -> ServiceAccount:
    return ServiceAccount(
        id=found.id,
        name=found.name,
        created_by=found.created_by,
        created_at=found.created_at,
        disabled_at=found.disabled_at,
    )

"""Who may come in, and how: the parts that people change it by, built as one."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.governance import scope
from interlock.governance.audit import SubjectKeys
from interlock.governance.decide import Bundle
from interlock.governance.identity import Identity
from interlock.governance.identity_providers import IdentityProviders
from interlock.governance.passwords import Passwords
from interlock.governance.provider_metadata import ProviderMetadata
from interlock.governance.session_tokens import SessionTokens
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.infra.http import GuardedClient
from interlock.infra.keys import Keys
from interlock.infra.settings import Settings
from interlock.orchestration.accounts import Accounts
from interlock.orchestration.api_keys import ApiKeys
from interlock.orchestration.automations import Automations
from interlock.orchestration.delegations import Delegations
from interlock.orchestration.elevations import Elevations
from interlock.orchestration.federated_accounts import FederatedAccounts
from interlock.orchestration.federation import Federation
from interlock.orchestration.identity_providers import ProviderChanges
from interlock.orchestration.person_links import PersonLinks
from interlock.orchestration.refusals import Refusals
from interlock.orchestration.sessions import Sessions
from interlock.orchestration.sign_in_tries import Tries, TryLimits
from interlock.orchestration.tenant_webhook import TenantWebhooks
from interlock.orchestration.tenants import Tenants


@dataclass(frozen=True, kw_only=True)
class Access:
    """What the API's routes about keys, accounts, links of names, sessions, delegations, elevations and tenants call."""

    keys: ApiKeys
    accounts: Accounts
    tenants: Tenants
    sessions: Sessions
    providers: ProviderChanges
    federation: Federation
    links: PersonLinks
    delegations: Delegations
    elevations: Elevations
    webhooks: TenantWebhooks
    refused: Refusals


def build(
    settings: Settings,
    database: Database,
    identity: Identity,
    refused: Refusals,
    clock: Clock,
    base: Bundle,
    automations: Automations,
    outgoing: GuardedClient,
) -> Access:
    """Build the parts. `base` is the shipped bundle, whose schema says which actions there are."""
    secrets = Keys.of(settings)
    keys, passwords = SubjectKeys(secrets.subjects), Passwords()
    limits = TryLimits(
        user_max=settings.sign_in_tries_max,
        address_max=settings.sign_in_address_tries_max,
        window_s=settings.sign_in_window_s,
    )
    tries = Tries(database, key=secrets.sign_in, limits=limits)
    sessions = _sessions(settings, database, secrets, refused, clock, passwords, tries)
    providers = IdentityProviders(secrets.identity_providers)
    accounts = Accounts(
        database=database, identity=identity, keys=keys, clock=clock, roles=automations.roles, passwords=passwords
    )
    return Access(
        keys=ApiKeys(
            database=database,
            identity=identity,
            keys=keys,
            clock=clock,
            roles=automations.roles,
            actions=scope.routes(str(base.rules.schema)),
            automations=automations.names,
        ),
        accounts=accounts,
        tenants=Tenants(database=database, identity=identity, keys=keys, clock=clock),
        sessions=sessions,
        providers=ProviderChanges(database, providers, automations.roles, keys, clock),
        federation=Federation(
            database=database,
            providers=providers,
            metadata=ProviderMetadata(outgoing),
            accounts=FederatedAccounts(accounts, clock),
            sessions=sessions,
            tries=tries,
            refused=refused,
            outgoing=outgoing,
            clock=clock,
            key=secrets.identity_providers,
        ),
        links=PersonLinks(database, keys, clock),
        delegations=Delegations(database, keys, clock, days_max=settings.delegation_days_max),
        elevations=Elevations(database, keys, clock, minutes_max=settings.elevation_minutes_max),
        webhooks=TenantWebhooks(database, outgoing, clock),
        refused=refused,
    )


def _sessions(
    settings: Settings,
    database: Database,
    secrets: Keys,
    refused: Refusals,
    clock: Clock,
    passwords: Passwords,
    tries: Tries,
) -> Sessions:
    tokens = SessionTokens(
        database,
        pepper=secrets.sessions,
        csrf_key=secrets.csrf,
        environment=settings.environment,
        idle_s=settings.session_idle_s,
        refused=refused,
    )
    return Sessions(
        database=database,
        tokens=tokens,
        keys=SubjectKeys(secrets.subjects),
        clock=clock,
        passwords=passwords,
        tries=tries,
        session_s=settings.session_s,
        idle_s=settings.session_idle_s,
        sessions_max=settings.sessions_max,
    )

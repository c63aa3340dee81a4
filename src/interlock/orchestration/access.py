"""Who may come in, and how: the parts that people change it by, built as one."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.governance import scope
from interlock.governance.audit import SubjectKeys
from interlock.governance.decide import Bundle
from interlock.governance.identity import Identity
from interlock.governance.passwords import Passwords
from interlock.infra.clock import Clock
from interlock.infra.database import Database
from interlock.orchestration.accounts import Accounts
from interlock.orchestration.api_keys import ApiKeys
from interlock.orchestration.automations import Automations
from interlock.orchestration.tenants import Tenants


@dataclass(frozen=True, kw_only=True)
class Access:
    """What the API's routes about keys, accounts and tenants call."""

    keys: ApiKeys
    accounts: Accounts
    tenants: Tenants


def build(
    database: Database, identity: Identity, keys: SubjectKeys, clock: Clock, base: Bundle, automations: Automations
) -> Access:
    """Build the parts. `base` is the shipped bundle, whose schema says which actions there are."""
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
        accounts=Accounts(
            database=database,
            identity=identity,
            keys=keys,
            clock=clock,
            roles=automations.roles,
            passwords=Passwords(),
        ),
        tenants=Tenants(database=database, identity=identity, keys=keys, clock=clock),
    )

"""What people do with connection secrets: set, list, remove, each change on record. A value is never given back."""

from __future__ import annotations

from collections.abc import Sequence

from interlock.domain.errors import FieldError, InvalidInput
from interlock.governance import audit
from interlock.governance.audit import SubjectKeys
from interlock.governance.connection_secrets import ConnectionSecrets, SecretInfo
from interlock.governance.identity import Principal
from interlock.infra.clock import Clock
from interlock.infra.database import Connection, Database
from interlock.orchestration.automations import Automations
from interlock.orchestration.store import log
from interlock.orchestration.submit import subject_key


class Secrets:
    """Each verb is one transaction with its audit leaf, which names the secret and its version and commits to the person.

    Args:
        key: under which values are sealed. keys: of the subjects that leaves commit to.
    """

    def __init__(
        self, database: Database, key: bytes, automations: Automations, keys: SubjectKeys, clock: Clock
    ) -> None:
        self.store = ConnectionSecrets(database, key)
        self._database = database
        self._automations = automations
        self._keys = keys
        self._clock = clock

    async def put(
        self,
        principal: Principal,
        name: str,
        value: str,
        *,
        automations: Sequence[str] | None = None,
        hosts: Sequence[str] | None = None,
        note: str | None = None,
    ) -> SecretInfo:
        """Set a secret, or rotate it; durable when it returns, and the value before is gone. Raises InvalidInput."""
        for place, automation in enumerate(automations or ()):
            if automation not in self._automations.names:
                raise InvalidInput(
                    f"There is no automation {automation!r}.",
                    fix=f"Registered are: {', '.join(self._automations.names)}.",
                    fields=[FieldError(pointer=f"/automations/{place}", detail="not registered")],
                )
        async with self._database.tenant(principal.tenant) as conn:
            made = await self.store.put(
                conn, principal.tenant, name, value, automations=automations, hosts=hosts, note=note, by=principal.id
            )
            await self._logged(conn, principal, "secret.set" if made.version == 1 else "secret.rotated", made)
        return made

    async def remove(self, principal: Principal, name: str) -> None:
        """Destroy a secret; effects that use it fail from now on. Raises NotFound."""
        async with self._database.tenant(principal.tenant) as conn:
            await self._logged(conn, principal, "secret.removed", await self.store.remove(conn, name))

    async def get(self, tenant: str, name: str) -> SecretInfo:
        """Give what is known of a secret. Raises NotFound."""
        async with self._database.tenant(tenant) as conn:
            return await self.store.get(conn, name)

    async def list(self, tenant: str, *, after: str | None = None, limit: int) -> list[SecretInfo]:
        """List secrets by name."""
        async with self._database.tenant(tenant) as conn:
            return await self.store.list(conn, after=after, limit=limit)

    async def _logged(self, conn: Connection, principal: Principal, kind: str, secret: SecretInfo) -> None:
        key, salt = await subject_key(conn, self._keys, principal.tenant, principal.id), audit.new_salt()
        facts = {
            "secret": secret.name,
            "secret_version": secret.version,
            "automations": list(secret.automations),
            "hosts": list(secret.hosts),
            "by_key": principal.key_id,
            "salt": salt.hex(),
            "commit": audit.commit(key, salt, (principal.id, secret.note)),
        }
        leaf = audit.leaf(kind, tenant=principal.tenant, at=self._clock.now(), facts=facts)
        await log(conn, tenant=principal.tenant, task_id=None, leaf=leaf)

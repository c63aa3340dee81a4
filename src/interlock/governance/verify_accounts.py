"""The part of `verify` that holds accounts, links of names, sessions, delegations and elevations against their leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from interlock.domain import canonical
from interlock.governance.audit import SubjectKeys
from interlock.governance.findings import Findings
from interlock.governance.verify_commit import check_commit, read_leaf
from interlock.infra.database import Connection

ROWS_BATCH: Final = 500
# Each leaf of an account says how it stands from then on, so the last one counts.
_ACCOUNTS: Final = """
select coalesce(a.ref, l.about), a.ref is not null, l.leaf, coalesce(l.made, 0), k.subject is not null, k.wrapped_key, k.erased_at, k.subject,
    a.id, a.name, a.roles, a.approval_limit, a.password_hash, a.issuer, a.disabled_at, a.subject
from (select * from accounts where tenant = current_tenant()) a
left join subject_keys k on k.tenant = a.tenant and k.subject = a.id
full join (select substring(leaf from '"account":"([^"]+)"') as about, (array_agg(leaf order by id desc))[1] as leaf,
    count(*) filter (where leaf like '%"kind":"account.created"%') as made
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"account.%' group by 1) l on l.about = a.ref"""
# Sessions are forgotten some time after their end, so a leaf without a row says nothing.
_SESSIONS: Final = """
select s.id, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key, k.erased_at, k.subject, s.user_id,
    s.method, s.key_id, s.expires_at, s.ended_at
from sessions s
left join subject_keys k on k.tenant = s.tenant and k.subject = s.user_id
left join (select substring(leaf from '"session":"([^"]+)"') as about, min(leaf) filter (where leaf like '%"kind":"session.created"%') as leaf,
    count(*) filter (where leaf like '%"kind":"session.created"%') as made, count(*) filter (where leaf like '%"kind":"session.ended"%') as ended
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"session.%' group by 1) l on l.about = s.id
where s.tenant = current_tenant()"""

_DELEGATIONS: Final = """
select coalesce(d.id, l.about), d.id is not null, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key,
    k.erased_at, k.subject, d.from_user, d.to_user, d.roles, d.approval_limit, d.ends_at, d.revoked_at
from (select * from delegations where tenant = current_tenant()) d
left join subject_keys k on k.tenant = d.tenant and k.subject = d.from_user
full join (select substring(leaf from '"delegation":"([^"]+)"') as about, min(leaf) filter (where leaf like '%"kind":"delegation.given"%') as leaf,
    count(*) filter (where leaf like '%"kind":"delegation.given"%') as made,
    count(*) filter (where leaf like '%"kind":"delegation.revoked"%') as ended
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"delegation.%' group by 1) l on l.about = d.id"""

_ELEVATIONS: Final = """
select coalesce(e.id, l.about), e.id is not null, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key,
    k.erased_at, k.subject, e.user_id, e.reason, e.persons, e.actions, e.ends_at, e.ended_at, e.acknowledged_by, e.note,
    a.subject is not null, a.wrapped_key, a.erased_at, a.subject, l.reviewed, coalesce(l.ran_out, 0), e.ran_out_at
from (select * from elevations where tenant = current_tenant()) e
left join subject_keys k on k.tenant = e.tenant and k.subject = e.user_id
left join subject_keys a on a.tenant = e.tenant and a.subject = e.acknowledged_by
full join (select substring(leaf from '"elevation":"([^"]+)"') as about, min(leaf) filter (where leaf like '%"kind":"elevation.opened"%') as leaf,
    count(*) filter (where leaf like '%"kind":"elevation.opened"%') as made, count(*) filter (where leaf like '%"kind":"elevation.ended"%') as ended,
    min(leaf) filter (where leaf like '%"kind":"elevation.acknowledged"%') as reviewed,
    count(*) filter (where leaf like '%"kind":"elevation.ran-out"%') as ran_out
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"elevation.%' group by 1) l on l.about = e.id"""


_LINKS: Final = """
select coalesce(p.id, l.about), p.id is not null, l.leaf, coalesce(l.made, 0), coalesce(l.ended, 0), k.subject is not null, k.wrapped_key,
    k.erased_at, k.subject, o.subject is not null, o.wrapped_key, o.erased_at, o.subject, p.one, p.other, p.ended_at
from (select * from person_links where tenant = current_tenant()) p
left join subject_keys k on k.tenant = p.tenant and k.subject = p.one
left join subject_keys o on o.tenant = p.tenant and o.subject = p.other
full join (select substring(leaf from '"link":"([^"]+)"') as about, min(leaf) filter (where leaf like '%"kind":"person.linked"%') as leaf,
    count(*) filter (where leaf like '%"kind":"person.linked"%') as made, count(*) filter (where leaf like '%"kind":"person.unlinked"%') as ended
    from audit_records where tenant = current_tenant() and task_id is null and leaf like '%"kind":"person.%' group by 1) l on l.about = p.id"""


async def check_accounts(conn: Connection, tenant: str, keys: SubjectKeys, findings: Findings) -> None:
    """Check accounts, links of names, sessions, delegations and elevations of the tenant that is set in this snapshot of the application's role."""
    async for row in _rows(conn, _ACCOUNTS):
        _check_account(f"{tenant}/{row[0]}", tenant, row, keys, findings)
    async for row in _rows(conn, _SESSIONS):
        _check_session(f"{tenant}/{row[0]}", tenant, row, keys, findings)
    async for row in _rows(conn, _LINKS):
        _check_link(f"{tenant}/{row[0]}", tenant, row, keys, findings)
    async for row in _rows(conn, _DELEGATIONS):
        _check_delegation(f"{tenant}/{row[0]}", tenant, row, keys, findings)
    async for row in _rows(conn, _ELEVATIONS):
        _check_elevation(f"{tenant}/{row[0]}", tenant, row, keys, findings)


async def _rows(conn: Connection, query: str) -> AsyncIterator[tuple[Any, ...]]:
    async with conn.cursor(name="verified_access") as cursor:
        cursor.itersize = ROWS_BATCH
        await cursor.execute(query.encode())
        async for row in cursor:
            yield row


def _check_account(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("an account with a leaf is there", where)
        return
    if not findings.check("an account has one leaf of its making", where, expected=1, found=row[3]):
        return
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    account_id, name, roles, limit, password_hash, issuer, disabled_at, federated_subject = row[8:]
    found = canonical.plain(account_state(roles, limit, password_hash, issuer, disabled_at))
    for part, value in found.items():
        findings.check(f"the account's {part} is that of its last leaf", where, expected=facts.get(part), found=value)
    if facts.get("kind") == "account.erased" and (name or password_hash):
        findings.add("of an erased account nothing is left", where)
    parts = account_parts(account_id, name, password_hash, issuer, federated_subject)
    check_commit("the account is what its last leaf commits to", where, tenant, row[4:8], facts, parts, keys, findings)


def _check_session(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    user, method, key_id, expires_at, ended_at = row[8:]
    if not findings.check("a session has one leaf of its making", where, expected=1, found=row[2]):
        return
    if (facts := read_leaf(row[1])) is None:
        findings.add("the leaf can be read", where)
        return
    for part, value in canonical.plain({"method": method, "key": key_id, "expires_at": expires_at}).items():
        findings.check(f"the session's {part} is that of the leaf", where, expected=facts.get(part), found=value)
    findings.check("the session is ended as the log says", where, expected=row[3] > 0, found=ended_at is not None)
    check_commit("the session is whose the leaf commits to", where, tenant, row[4:8], facts, (user,), keys, findings)


def account_parts(
    account_id: str, name: str, password_hash: str | None, issuer: str | None, subject: str | None
) -> tuple[str | None, ...]:
    """Give what a leaf commits to of an account; of one that an identity provider signs in, whom there too."""
    parts = (account_id, name, password_hash)
    return parts if issuer is None else (*parts, issuer, subject)


def _check_link(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("a link of names with a leaf is there", where)
        return
    if not findings.check("a link of names has one leaf", where, expected=1, found=row[3]):
        return
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    one, other, ended_at = row[13:]
    findings.check("the link is ended as the log says", where, expected=row[4] > 0, found=ended_at is not None)
    what = "the link is of the names that the leaf commits to"
    check_commit(what, where, tenant, row[5:9], facts, (one,), keys, findings)
    of_other = {"salt": facts.get("other_salt"), "commit": facts.get("other_commit")}
    check_commit(what, where, tenant, row[9:13], of_other, (other,), keys, findings)


def _check_delegation(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("a delegation with a leaf is there", where)
        return
    if not findings.check("a delegation has one leaf", where, expected=1, found=row[3]):
        return
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    from_user, to_user, roles, limit, ends_at, revoked_at = row[9:]
    for part, value in canonical.plain({"roles": sorted(roles), "approval_limit": limit, "ends_at": ends_at}).items():
        findings.check(f"the delegation's {part} is that of the leaf", where, expected=facts.get(part), found=value)
    findings.check(
        "the delegation is taken back as the log says", where, expected=row[4] > 0, found=revoked_at is not None
    )
    what = "the delegation is between those whom the leaf commits to"
    check_commit(what, where, tenant, row[5:9], facts, (from_user, to_user), keys, findings)


def _check_elevation(where: str, tenant: str, row: tuple[Any, ...], keys: SubjectKeys, findings: Findings) -> None:
    if not row[1]:
        findings.add("an elevation with a leaf is there", where)
        return
    if not findings.check("an elevation has one leaf", where, expected=1, found=row[3]):
        return
    if (facts := read_leaf(row[2])) is None:
        findings.add("the leaf can be read", where)
        return
    user, reason, persons, actions, ends_at, ended_at, reviewer, note = row[9:17]
    for part, value in canonical.plain({"actions": sorted(actions), "ends_at": ends_at}).items():
        findings.check(f"the elevation's {part} is that of the leaf", where, expected=facts.get(part), found=value)
    findings.check("the elevation is ended as the log says", where, expected=row[4] > 0, found=ended_at is not None)
    findings.check("the elevation ran out as the log says", where, expected=row[22], found=int(row[23] is not None))
    what = "the elevation is whose the leaf commits to"
    check_commit(what, where, tenant, row[5:9], facts, (user, reason, *persons), keys, findings)
    taker_erased = row[6] is None and row[7] is not None
    if taker_erased and (reason or note):
        findings.add("of an erased person's elevation nothing is left", where)
    reviewed = None if row[21] is None else read_leaf(row[21])
    what = "the elevation is reviewed as the log says"
    if findings.check(what, where, expected=reviewed is not None, found=reviewer is not None) and reviewed is not None:
        if taker_erased:  # what the reviewer said of it went with the taker
            findings.erased += 1
            return
        check_commit(what, where, tenant, row[17:21], reviewed, (reviewer, note), keys, findings)


def account_state(
    roles: Sequence[str], approval_limit: Any, password_hash: str | None, issuer: str | None, disabled_at: Any
) -> dict[str, Any]:
    """Give what a leaf says of how an account stands."""
    return {
        "roles": sorted(roles),
        "approval_limit": approval_limit,
        "password": password_hash is not None,
        "federated": issuer is not None,
        "disabled": disabled_at is not None,
    }

"""The part of `verify` that asks the witnesses: what they hold, what they stated, and whether both are still in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from interlock.domain.errors import AuditBroken, InterlockError
from interlock.governance.audit_keys import KeyRing
from interlock.governance.findings import Findings
from interlock.governance.verify_tree import Witnessed
from interlock.governance.witnesses import Witness
from interlock.infra.database import Connection

STATEMENTS_BATCH: Final = 500
_STATEMENTS: Final = """
select s.witness, s.size, s.kind, s.statement, c.note from audit_statements s left join audit_checkpoints c on c.size = s.size
where (s.witness, s.size) > (%s, %s) order by s.witness, s.size limit %s"""
_NEWEST: Final = "select max(size) from audit_checkpoints"


async def check_witnesses(
    conn: Connection, ring: KeyRing, witnesses: Sequence[Witness], findings: Findings
) -> list[Witnessed]:
    """Check what is stored of witnesses, and give every checkpoint that they saw, for the tree to be held against.

    Args:
        conn: the relay's snapshot.
    """
    seen: set[tuple[str, int, bytes]] = set()
    held: dict[str, set[int]] = {}
    for witness in witnesses:
        notes = await _held(witness, findings)
        if notes is not None:
            found = [one for note in notes if (one := _read(witness.name, note, ring, findings)) is not None]
            held[witness.name] = {size for _, size, _ in found}
            seen.update(found)
    known = {witness.name: witness for witness in witnesses}
    unknown: set[str] = set()
    async for name, size, kind, statement, note in _statements(conn):
        where, data = f"witness {name}: checkpoint {size}", bytes(statement)
        if name not in known:
            unknown.add(name)
            continue
        if kind != "rfc3161" and (one := _read(name, data.decode("utf-8", "replace"), ring, findings)) is not None:
            seen.add(one)
        if name in held and size not in held[name]:
            findings.add(
                "the witness holds what it stated", where, expected=size, found=max(held[name], default="nothing")
            )
        if note is None:
            findings.add("the checkpoint that was witnessed is there", where)
            continue
        try:
            known[name].check(note, data)
        except AuditBroken as error:
            findings.add("the statement is the witness's, of this checkpoint", where, found=error.detail)
        else:
            if kind == "rfc3161" and (one := _read(name, note, ring, findings)) is not None:
                seen.add(one)
    await _warn(conn, witnesses, unknown, seen, findings)
    return [Witnessed(witness=name, size=size, root=root) for name, size, root in sorted(seen)]


async def _held(witness: Witness, findings: Findings) -> list[str] | None:
    try:
        return await witness.held()
    except InterlockError as error:
        findings.add("the witness can be asked", f"witness {witness.name}", found=error.detail)
        return None


def _read(name: str, note: str, ring: KeyRing, findings: Findings) -> tuple[str, int, bytes] | None:
    try:
        said = ring.verify(note)
    except AuditBroken as error:
        findings.add("what a witness saw was signed", f"witness {name}", found=error.detail)
        return None
    if not findings.check(
        "what a witness saw is of this log", f"witness {name}", expected=ring.origin, found=said.origin
    ):
        return None
    return name, said.size, said.root


async def _warn(
    conn: Connection,
    witnesses: Sequence[Witness],
    unknown: set[str],
    seen: set[tuple[str, int, bytes]],
    findings: Findings,
) -> None:
    findings.warnings += [
        f"Statements of the witness {name} were not checked: it is not set." for name in sorted(unknown)
    ]
    findings.warnings += [one.limit for one in witnesses if one.limit is not None]
    if not witnesses:
        findings.warnings.append(
            "No witness is set: a tail that was cut off together with its checkpoints would not be seen."
        )
        return
    row = await (await conn.execute(_NEWEST)).fetchone()
    newest = row[0] if row is not None and row[0] is not None else 0
    for witness in witnesses:
        last = max((size for name, size, _ in seen if name == witness.name), default=0)
        if last < newest:
            findings.warnings.append(f"The witness {witness.name} has not stated positions {last} to {newest - 1} yet.")


async def _statements(conn: Connection) -> AsyncIterator[tuple[Any, ...]]:
    last: tuple[Any, ...] = ("", -1)
    while rows := await (await conn.execute(_STATEMENTS.encode(), (*last, STATEMENTS_BATCH))).fetchall():
        for row in rows:
            yield row
        last = rows[-1][:2]

-- Proofs, keys and witnesses of the audit log. Like the checkpoints, these tables speak of the whole log and belong to no tenant: they hold
-- hashes, keys and signed statements, and nothing of what a record says. Insert-only, but for private keys, which are deleted once retired.
set local search_path = interlock;

-- Roots of perfect subtrees of 2^height leaves, at every eighth height. The integrator writes them with the checkpoint that covers them, and
-- fills those of an older log at its first round; they follow from audit_positions, and `audit verify` holds them against it.
create table audit_nodes (
    height smallint not null check (height > 0 and height % 8 = 0),
    index bigint not null,
    hash bytea not null,
    primary key (height, index)
);

-- Signing keys after the first one, which follows from the master key. A key signs the checkpoints over from_size; the one before it signed
-- its introduction and the checkpoint of exactly from_size.
create table audit_keys (
    number int primary key check (number > 0),
    public_key bytea not null,
    from_size bigint not null unique,
    introduction text not null,           -- C2SP signed note, by the key before and by the key itself
    at timestamptz not null default time_now()
);
create table audit_private_keys (
    number int primary key references audit_keys,
    wrapped bytea not null                -- AES-256-GCM under a key that follows from the master key
);

-- What witnesses said of checkpoints.
create table audit_statements (
    witness text not null,
    size bigint not null,
    kind text not null check (kind in ('file', 'bucket', 'rfc3161')),
    statement bytea not null,
    at timestamptz not null default time_now(),
    primary key (witness, size)
);

grant select on audit_nodes, audit_keys, audit_statements to interlock_app;
grant select, insert on audit_nodes, audit_keys, audit_statements to interlock_relay;
grant select, insert, delete on audit_private_keys to interlock_relay;
-- A key's rotation writes its leaf, sequences it and signs it in one transaction.
grant insert on audit_records, audit_pending to interlock_relay;

-- Hashes of leaves in ranges of positions, over all tenants: what a proof of one tenant's record consists of. A leaf holds random salts or
-- IDs, so its hash says nothing of it to whoever does not have it.
create policy definer on audit_positions to interlock_definer using (true);
grant select on audit_positions to interlock_definer;
create function audit_hashes(lows bigint[], highs bigint[]) returns table (place bigint, hash bytea)
    language sql stable security definer set search_path = interlock, pg_temp
as $$
    select p.position, p.leaf_hash from unnest(lows, highs) as asked(low, high)
    join audit_positions p on p.position >= asked.low and p.position < least(asked.high, asked.low + 65536)
$$;
grant create on schema interlock to interlock_definer;
alter function audit_hashes(bigint[], bigint[]) owner to interlock_definer;
revoke create on schema interlock from interlock_definer;
revoke all on function audit_hashes(bigint[], bigint[]) from public;
grant execute on function audit_hashes(bigint[], bigint[]) to interlock_app, interlock_relay;

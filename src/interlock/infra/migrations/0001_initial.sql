-- The final shape of tables, roles and row-level security. Run by the owner; see docs/concepts/database.md.
--
-- Roles (made before this runs): interlock_app works inside one tenant at a time; interlock_relay sequences;
-- interlock_definer owns the few functions that cross tenants, which return IDs only.

create schema if not exists interlock;
set local search_path = interlock;

grant usage on schema interlock to interlock_app, interlock_relay, interlock_definer;

-- Time comes from here and nowhere else, so that a test can skip an hour. now() and its kin are called in this file only in time_now.
create table clock (
    one boolean primary key default true check (one),
    shift interval not null default interval '0'
);
insert into clock default values;
create function time_now() returns timestamptz language sql stable parallel safe
    as $$ select statement_timestamp() + shift from interlock.clock $$;

create function current_tenant() returns text language sql stable parallel safe
    as $$ select nullif(current_setting('interlock.tenant', true), '') $$;

-- A task of high priority queues as if it had waited longer: a minute a point. So priority helps and nobody starves.
create function queue_time(priority smallint) returns timestamptz language sql stable parallel safe
    as $$ select interlock.time_now() - priority * interval '1 minute' $$;

create table tenants (
    tenant text primary key check (tenant ~ '^[a-z][a-z0-9-]{0,62}$'),
    name text not null,
    created_at timestamptz not null default time_now()
);

create table api_keys (
    tenant text not null references tenants,
    id text not null,
    key_hash bytea not null,              -- HMAC-SHA256 of the secret under the deployment's pepper
    name text not null,
    user_id text not null,                -- principal: user:…, service:… or agent:…
    roles text[] not null,
    approval_limit numeric,               -- in the base currency; null: none
    created_by text not null,
    created_at timestamptz not null default time_now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant, id)
);
create unique index on api_keys (id);

-- Keys under which personal content is committed to in the audit log. Destroying one erases what it committed to.
create table subject_keys (
    tenant text not null references tenants,
    subject text not null,
    wrapped_key bytea,                    -- AES-256-GCM under the deployment's master key; null once erased
    created_at timestamptz not null default time_now(),
    erased_at timestamptz,
    primary key (tenant, subject)
);

create table documents (
    tenant text not null references tenants,
    id text not null,
    sha256 text not null,
    filename text not null,
    media_type text not null,
    size_bytes bigint not null,
    pages int not null,
    object_key text not null,
    created_by text not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, id)
);

create index documents_by_content on documents (tenant, sha256);

create table tasks (
    tenant text not null references tenants,
    id text not null,
    automation text not null,
    automation_version text not null,
    state text not null default 'accepted'
        check (state in ('accepted', 'running', 'waiting', 'blocked', 'succeeded', 'failed', 'cancelled')),
    correlation_id text not null,
    subject text not null,
    input json,
    input_ref text,
    labels jsonb not null default '{}',
    priority smallint not null default 0 check (priority between 0 and 100),
    deadline timestamptz,
    callback_url text,
    submitted_by text not null,
    engine text not null default 'postgres',
    epoch bigint not null default 0,
    generation int not null default 1,
    due_at timestamptz,
    lease_until timestamptz,
    cancel_requested boolean not null default false,
    output json,
    output_ref text,
    error json,
    commit_salt bytea,                    -- salt of the state's audit leaf
    accepted_at timestamptz not null default time_now(),
    started_at timestamptz,
    ended_at timestamptz,
    primary key (tenant, id)
) with (fillfactor = 80);
-- A task's row is its own queue entry. Claimable: an expired lease, or none and due.
create index tasks_due on tasks (tenant, due_at) where lease_until is null and due_at is not null;
create index tasks_leased on tasks (lease_until) where lease_until is not null;
create index tasks_listed on tasks (tenant, accepted_at desc, id desc);
create index tasks_correlated on tasks (tenant, correlation_id);
create index tasks_blocked on tasks (automation) where state = 'blocked';
create index tasks_open on tasks (tenant, state) where state not in ('succeeded', 'failed', 'cancelled');

-- Where a retry starts again: outcomes of earlier generations from from_seq on are not replayed.
create table journal_cuts (
    tenant text not null,
    task_id text not null,
    generation int not null,
    from_seq int not null,
    requested_by text not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, task_id, generation),
    foreign key (tenant, task_id) references tasks (tenant, id)
);

-- The journal: the system of record. One row an effect, inserted once, behind the fence.
create table effects (
    tenant text not null,
    task_id text not null,
    generation int not null,
    effect_id text not null,
    seq int not null,
    kind text not null,
    name text not null,
    target text not null,
    input_digest bytea not null,
    input json,
    input_ref text,
    status text not null check (status in ('ok', 'denied', 'failed', 'expired', 'cancelled')),
    value json,
    value_ref text,
    error json,
    decision json,
    meta json not null,                   -- model version, confidence, cost, duration, attempts, redactions, by
    salt bytea not null,
    epoch bigint not null,
    started_at timestamptz,
    recorded_at timestamptz not null default time_now(),
    primary key (tenant, task_id, generation, effect_id),
    unique (tenant, task_id, generation, seq)
);

-- What began and has no outcome yet: timers, calls to third parties, at-most-once steps.
create table openings (
    tenant text not null,
    task_id text not null,
    generation int not null,
    effect_id text not null,
    kind text not null,
    name text not null,
    input_digest bytea not null,
    wake_at timestamptz,
    decision json,
    epoch bigint not null,
    opened_at timestamptz not null default time_now(),
    primary key (tenant, task_id, generation, effect_id)
);

-- Attempts that failed and were tried again (or gave up); the one that succeeded stands in the journal.
create table attempts (
    tenant text not null,
    task_id text not null,
    generation int not null,
    effect_id text not null,
    attempt int not null,
    error json not null,
    duration_ms double precision,
    next_attempt_at timestamptz,
    epoch bigint not null,
    recorded_at timestamptz not null default time_now(),
    primary key (tenant, task_id, generation, effect_id, attempt)
);

create table reviews (
    tenant text not null,
    id text not null,
    task_id text not null,
    generation int not null,
    effect_id text not null,
    automation text not null,
    name text not null,
    input_digest bytea not null,
    state text not null default 'open' check (state in ('open', 'answered', 'expired', 'cancelled')),
    request json not null,
    role text not null,
    assignee text,
    subject text,
    task_submitted_by text not null,
    correlation_id text not null,
    deadline timestamptz,
    escalate_at timestamptz,
    escalated_at timestamptz,
    answer json,
    answer_salt bytea,
    answered_by text,
    answered_at timestamptz,
    hold_until timestamptz,
    opened_at timestamptz not null default time_now(),
    closed_at timestamptz,
    primary key (tenant, id),
    unique (tenant, task_id, generation, effect_id),
    foreign key (tenant, task_id) references tasks (tenant, id)
);
create index reviews_listed on reviews (tenant, state, opened_at, id);

create table review_events (
    tenant text not null,
    review_id text not null,
    id bigint generated always as identity,
    kind text not null,
    by_whom text not null,
    data json not null default '{}',
    at timestamptz not null default time_now(),
    primary key (tenant, review_id, id),
    foreign key (tenant, review_id) references reviews (tenant, id)
);

-- Keys that are unique in a tenant, such as the fingerprint of an approved expense.
create table reservations (
    tenant text not null,
    register text not null,
    key text not null,
    task_id text not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, register, key),
    foreign key (tenant, task_id) references tasks (tenant, id)
);
create index reservations_by_task on reservations (tenant, task_id);

create table idempotency_keys (
    tenant text not null references tenants,
    principal text not null,
    route text not null,
    key text not null,
    body_digest bytea not null,
    resource_id text not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, principal, route, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Events for whoever follows: live views, subscriptions. Written pending; the sequencer gives gap-free positions.
create table outbox (
    id bigint generated always as identity primary key,
    tenant text not null,
    type text not null,
    task_id text,
    correlation_id text,
    data json not null,
    at timestamptz not null default time_now(),
    position bigint unique
);
create index outbox_pending on outbox (id) where position is null;
create index outbox_by_task on outbox (tenant, task_id, position) where position is not null;

-- The audit log. Records are insert-only; positions, tree and checkpoints stand apart, insert-only too.
create table audit_records (
    id bigint generated always as identity primary key,
    tenant text not null,
    task_id text,
    leaf text not null                    -- canonical JSON; exactly these bytes are hashed
);
create index audit_records_by_task on audit_records (tenant, task_id);
create table audit_pending (
    record_id bigint not null,
    tenant text not null
);
create table audit_positions (
    position bigint primary key,
    record_id bigint not null unique references audit_records (id),
    tenant text not null,
    leaf_hash bytea not null
);
create table audit_checkpoints (
    size bigint primary key,
    root bytea not null,
    frontier bytea not null,              -- hashes of the perfect subtrees, left to right: where appending goes on
    note text not null,                   -- C2SP signed note
    at timestamptz not null default time_now()
);

create table deliveries (
    tenant text not null,
    id text not null,
    task_id text not null,
    url text not null,
    body text not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
    attempts int not null default 0,
    epoch bigint not null default 0,
    due_at timestamptz,
    lease_until timestamptz,
    created_at timestamptz not null default time_now(),
    ended_at timestamptz,
    primary key (tenant, id),
    foreign key (tenant, task_id) references tasks (tenant, id)
);
create index deliveries_due on deliveries (tenant, due_at) where lease_until is null and due_at is not null;
create index deliveries_leased on deliveries (lease_until) where lease_until is not null;
create table delivery_attempts (
    tenant text not null,
    delivery_id text not null,
    attempt int not null,
    status int,
    error text,
    duration_ms double precision not null,
    at timestamptz not null default time_now(),
    primary key (tenant, delivery_id, attempt),
    foreign key (tenant, delivery_id) references deliveries (tenant, id)
);

-- Row-level security: forced, for everybody. An unset tenant sees nothing.
do $$
declare t text;
begin
    foreach t in array array['tenants', 'api_keys', 'subject_keys', 'documents', 'tasks', 'journal_cuts', 'effects', 'openings', 'attempts',
        'reviews', 'review_events', 'reservations', 'idempotency_keys', 'outbox', 'audit_records', 'audit_pending', 'audit_positions',
        'deliveries', 'delivery_attempts']
    loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
    -- The definer's functions and the relay see what they need, and no more.
    foreach t in array array['tasks', 'deliveries', 'api_keys', 'tenants', 'idempotency_keys'] loop
        execute format('create policy definer on %I to interlock_definer using (true) with check (true)', t);
    end loop;
    foreach t in array array['outbox', 'audit_records', 'audit_pending', 'audit_positions'] loop
        execute format('create policy relay on %I to interlock_relay using (true) with check (true)', t);
    end loop;
end $$;

grant select on clock to interlock_app, interlock_relay, interlock_definer;
grant select, insert on tenants to interlock_app;
grant select, insert on api_keys, documents, effects, openings, attempts, journal_cuts, review_events, outbox, audit_records,
    audit_positions, delivery_attempts, idempotency_keys to interlock_app;
grant insert on audit_pending to interlock_app;
grant select on audit_pending to interlock_app;
grant select on audit_checkpoints to interlock_app;
grant update on api_keys to interlock_app;
grant select, insert, update on tasks, reviews, deliveries, subject_keys to interlock_app;
grant select, insert, delete on reservations to interlock_app;
grant select, delete on audit_pending to interlock_relay;
grant select on audit_records, outbox to interlock_relay;
grant update (position) on outbox to interlock_relay;
grant select, insert on audit_positions, audit_checkpoints to interlock_relay;
grant select on api_keys, tenants to interlock_definer;
grant select, update on tasks, deliveries to interlock_definer;
grant select, delete on idempotency_keys to interlock_definer;

-- Across tenants: claims, and finding an API key. IDs only.

-- Take tasks that are due or whose owner vanished, oldest first, in turn over the tenants.
create function claim_tasks(batch int, lease interval, engine_name text)
    returns table (tenant text, id text, epoch bigint, claimed_at timestamptz)
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with recursive
    due_tenants as (
        (select t.tenant from tasks t where t.lease_until is null and t.due_at is not null order by t.tenant limit 1)
        union all
        select (select t.tenant from tasks t where t.lease_until is null and t.due_at is not null and t.tenant > d.tenant
                order by t.tenant limit 1)
        from due_tenants d where d.tenant is not null
    ),
    share as (select greatest(1, ceil(batch::numeric / greatest(1, count(*))))::int as each from due_tenants d where d.tenant is not null),
    vanished as (
        select t.tenant, t.id from tasks t
        where t.lease_until < time_now() and t.engine = engine_name
        order by t.lease_until for update skip locked limit batch
    ),
    due as (
        select c.tenant, c.id
        from (select d.tenant from due_tenants d where d.tenant is not null order by random()) d
        cross join lateral (
            select t.tenant, t.id from tasks t
            where t.tenant = d.tenant and t.lease_until is null and t.due_at <= time_now() and t.engine = engine_name
            order by t.due_at for update skip locked limit (select each from share)
        ) c
        limit batch
    ),
    chosen as (select * from vanished union all select * from due limit batch)
    update tasks t
    set epoch = t.epoch + 1, lease_until = time_now() + lease, due_at = null, state = 'running',
        started_at = coalesce(t.started_at, time_now())
    from chosen c where t.tenant = c.tenant and t.id = c.id
    returning t.tenant, t.id, t.epoch, time_now()
$$;

-- When the next task is due that nobody owns; null where none is.
create function next_due() returns timestamptz
    language sql stable security definer set search_path = interlock, pg_temp
as $$
    with recursive due_tenants as (
        (select t.tenant, t.due_at from tasks t where t.lease_until is null and t.due_at is not null order by t.tenant, t.due_at limit 1)
        union all
        select n.tenant, n.due_at from due_tenants d, lateral (
            select t.tenant, t.due_at from tasks t where t.lease_until is null and t.due_at is not null and t.tenant > d.tenant
            order by t.tenant, t.due_at limit 1) n
    )
    select min(due_at) from due_tenants
$$;

-- A running owner keeps its tasks. Gives those that it still owns, but for rows that are locked just now: a batch of records
-- locks several rows, so waiting for one of them while holding another would deadlock.
create function renew_leases(tenant_ids text[], task_ids text[], epochs bigint[], lease interval)
    returns table (id text, cancelled boolean)
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with held as (
        select t.tenant, t.id from tasks t join unnest(tenant_ids, task_ids, epochs) as o(tenant, id, epoch)
            on t.tenant = o.tenant and t.id = o.id and t.epoch = o.epoch
        where t.lease_until is not null for no key update of t skip locked
    )
    update tasks t set lease_until = time_now() + lease from held h where t.tenant = h.tenant and t.id = h.id
    returning t.id, t.cancel_requested
$$;

-- At its start a worker makes blocked tasks of the automations that it has due again: the code may be right now.
create function wake_blocked(automations text[]) returns bigint
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with woken as (
        update tasks set due_at = time_now() where state = 'blocked' and lease_until is null and automation = any(automations) returning 1
    ) select count(*) from woken
$$;

create function claim_deliveries(batch int, lease interval)
    returns table (tenant text, id text, epoch bigint)
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with chosen as (
        select c.tenant, c.id from (
            select d.tenant, d.id, d.due_at, row_number() over (partition by d.tenant order by d.due_at) as turn from deliveries d
            where d.lease_until < time_now() or (d.lease_until is null and d.due_at <= time_now())
        ) c order by c.turn, c.due_at limit batch * 4
    ), locked as (
        select d.tenant, d.id from deliveries d join chosen c using (tenant, id)
        where d.lease_until < time_now() or (d.lease_until is null and d.due_at <= time_now())
        for update of d skip locked limit batch
    )
    update deliveries d set epoch = d.epoch + 1, lease_until = time_now() + lease, due_at = null
    from locked l where d.tenant = l.tenant and d.id = l.id
    returning d.tenant, d.id, d.epoch
$$;

create function find_api_key(key_id text) returns text
    language sql stable security definer set search_path = interlock, pg_temp
as $$ select k.tenant from api_keys k where k.id = key_id $$;

create function forget_idempotency_keys(older_than interval) returns bigint
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with gone as (delete from idempotency_keys where created_at < time_now() - older_than returning 1) select count(*) from gone
$$;

grant create on schema interlock to interlock_definer;  -- only while it is given its functions
do $$
declare f text;
begin
    foreach f in array array['claim_tasks(int, interval, text)', 'next_due()', 'renew_leases(text[], text[], bigint[], interval)',
        'wake_blocked(text[])', 'claim_deliveries(int, interval)', 'find_api_key(text)', 'forget_idempotency_keys(interval)']
    loop
        execute format('alter function %s owner to interlock_definer', f);
        execute format('revoke all on function %s from public', f);
        execute format('grant execute on function %s to interlock_app', f);
    end loop;
end $$;
revoke create on schema interlock from interlock_definer;

-- Break-glass: what somebody may do for a short time beyond what the policies let them. See docs/concepts/break-glass.md.

set local search_path = interlock;

create table elevations (
    tenant text not null references tenants,
    id text not null,
    user_id text not null check (user_id like 'user:%'),
    persons text[] not null,              -- who stands behind it, in one spelling: none of them acknowledges it
    actions text[] not null check (cardinality(actions) > 0),
    reason text not null,
    opened_at timestamptz not null default time_now(),
    ends_at timestamptz not null,
    ended_at timestamptz,                 -- before its time
    ended_by text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text,                            -- what whoever looked at it afterwards says
    primary key (tenant, id),
    check (ends_at > opened_at),
    check ((acknowledged_at is null) = (acknowledged_by is null)),
    check ((ended_at is null) = (ended_by is null))
);
create index on elevations (tenant, ends_at) where acknowledged_at is null;

alter table elevations enable row level security;
alter table elevations force row level security;
create policy tenant_isolation on elevations to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert on elevations to interlock_app;
grant update (ended_at, ended_by, acknowledged_at, acknowledged_by, note) on elevations to interlock_app;

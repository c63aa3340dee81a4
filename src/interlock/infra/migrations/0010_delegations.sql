-- Review rights that one person lends to another until a stated end (docs/concepts/delegation.md), and with which key an approval was given.

set local search_path = interlock;

-- An approval counts no more once its key is revoked; null: given before this was kept.
alter table review_approvals add column by_key text;

create table delegations (
    tenant text not null references tenants,
    id text not null,
    from_user text not null check (from_user like 'user:%'),
    to_user text not null check (to_user like 'user:%'),
    roles text[] not null check (cardinality(roles) > 0),
    approval_limit numeric,                           -- null: none
    given_at timestamptz not null default time_now(),
    ends_at timestamptz not null,
    revoked_at timestamptz,
    primary key (tenant, id),
    check (lower(from_user) <> lower(to_user)),
    check (ends_at > given_at)
);
create index on delegations (tenant, to_user, ends_at);
create index on delegations (tenant, from_user, ends_at);

alter table delegations enable row level security;
alter table delegations force row level security;
create policy tenant_isolation on delegations to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert on delegations to interlock_app;
grant update (revoked_at) on delegations to interlock_app;

-- Connection secrets: what steps and fetches sign in with, by name, sealed, in versions. See docs/concepts/connection-secrets.md.

set local search_path = interlock;

create table secrets (
    tenant text not null references tenants,
    name text not null,
    version int not null check (version > 0),
    sealed bytea,                         -- null once it is replaced or removed: no version but the current one can be used
    automations text[] not null,          -- which automations may use it
    hosts text[] not null,                -- to which hosts `fetch` may send it
    note text not null,
    created_by text not null,
    created_at timestamptz not null default time_now(),
    ended_at timestamptz,
    primary key (tenant, name, version),
    check ((sealed is null) = (ended_at is not null))
);
create unique index secrets_current on secrets (tenant, name) where ended_at is null;

alter table secrets enable row level security;
alter table secrets force row level security;
create policy tenant_isolation on secrets to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert on secrets to interlock_app;
grant update (sealed, ended_at) on secrets to interlock_app;

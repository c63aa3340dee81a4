-- Tasks that somebody has dealt with (docs/concepts/tasks-and-effects.md), and views that people keep (docs/concepts/console.md).

set local search_path = interlock;

-- Who says that nobody needs to look at a task any more, and why. The note goes with the task's content when that is erased.
alter table tasks
    add column resolved_at timestamptz,
    add column resolved_by text,
    add column resolution_note text,                  -- null: erased
    add column resolution_salt bytea,
    add constraint resolved_by_somebody check ((resolved_at is null) = (resolved_by is null));

-- Filters that people keep under a name (docs/concepts/console.md).
create table saved_views (
    tenant text not null references tenants,
    id text not null,
    owner text not null,
    page text not null check (page in ('inbox', 'tasks')),
    name text not null check (length(name) between 1 and 80),
    filters json not null,
    shared boolean not null default false,            -- seen by everybody in the tenant
    changed_at timestamptz not null default time_now(),
    primary key (tenant, id),
    unique (tenant, owner, page, name)
);
create index on saved_views (tenant, page) where shared;

alter table saved_views enable row level security;
alter table saved_views force row level security;
create policy tenant_isolation on saved_views to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());
grant select, insert, delete on saved_views to interlock_app;
grant update (name, filters, shared, changed_at) on saved_views to interlock_app;

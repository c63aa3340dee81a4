-- Where a tenant is called for loud events, such as an emergency elevation. See docs/concepts/break-glass.md.
set local search_path = interlock;

create table tenant_webhooks (
    tenant text primary key references tenants,
    url text not null,
    set_by text not null,
    set_at timestamptz not null default time_now()
);
alter table tenant_webhooks enable row level security;
alter table tenant_webhooks force row level security;
create policy tenant_isolation on tenant_webhooks to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());
grant select, insert, update, delete on tenant_webhooks to interlock_app;

-- What goes there is of no task.
alter table deliveries alter column task_id drop not null;

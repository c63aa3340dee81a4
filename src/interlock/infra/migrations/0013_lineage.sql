-- How far each tenant's events were told to an OpenLineage backend. See docs/how-to/send-lineage.md.

set local search_path = interlock;

create table lineage_feeds (
    tenant text primary key references tenants,
    position bigint not null,             -- of the last event that was told, or passed over
    attempts int not null default 0,      -- of the next one, that failed
    dropped bigint not null default 0,    -- events that were passed over after as many attempts as are made
    due_at timestamptz not null default time_now(),
    lease_until timestamptz,
    epoch bigint not null default 0
);

-- A tenant's events in their order: without it a quiet tenant's reader would pass over everybody else's.
create index outbox_by_tenant on outbox (tenant, position) where position is not null;

alter table lineage_feeds enable row level security;
alter table lineage_feeds force row level security;
create policy tenant_isolation on lineage_feeds to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert, update on lineage_feeds to interlock_app;

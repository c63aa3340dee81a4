-- What a tenant's metrics have counted so far. Counted when they are asked for, from the audit log behind a position. See docs/how-to/watch-with-prometheus.md.

set local search_path = interlock;

create table metric_feeds (
    tenant text primary key references tenants,
    position bigint not null default -1   -- of the last record that was counted
);

create table metric_counters (
    tenant text not null references tenants,
    name text not null,
    labels text[] not null,               -- values only, in the order that the metric's family names them
    value numeric not null,
    primary key (tenant, name, labels)
);

-- A tenant's records in their order: without it a quiet tenant's reader would pass over everybody else's.
create index audit_positions_by_tenant on audit_positions (tenant, position);
create index deliveries_undelivered on deliveries (tenant, state) where state <> 'delivered';

do $$
declare t text;
begin
    foreach t in array array['metric_feeds', 'metric_counters'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
end $$;

grant select, insert, update on metric_feeds, metric_counters to interlock_app;

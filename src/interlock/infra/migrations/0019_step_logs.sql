-- What steps write while they run, sealed under the key of the task's subject. See docs/concepts/step-logs.md.

set local search_path = interlock;

create table step_logs (
    tenant text not null,
    id bigint generated always as identity,
    task_id text not null,
    generation int not null,
    effect_id text not null,
    attempt int not null,
    lines int not null check (lines > 0),
    size_bytes int not null,              -- of the lines as they are kept, before they are sealed
    sealed bytea,                         -- null: not kept, since the task holds as much as it may
    recorded_at timestamptz not null default time_now(),
    primary key (tenant, task_id, id),
    foreign key (tenant, task_id) references tasks (tenant, id)
);

alter table step_logs enable row level security;
alter table step_logs force row level security;
create policy tenant_isolation on step_logs to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());
create policy definer on step_logs to interlock_definer using (tenant = current_tenant()) with check (tenant = current_tenant());
grant select, insert on step_logs to interlock_app;
grant select, delete on step_logs to interlock_definer;

-- Erase what the steps of an erased task wrote.
create function erase_step_logs(which text) returns void
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    delete from step_logs l using tasks t
        where l.tenant = current_tenant() and l.task_id = which and t.tenant = l.tenant and t.id = l.task_id and t.erased_at is not null
$$;

grant create on schema interlock to interlock_definer;  -- only while it is given its function
alter function erase_step_logs(text) owner to interlock_definer;
revoke all on function erase_step_logs(text) from public;
grant execute on function erase_step_logs(text) to interlock_app;
revoke create on schema interlock from interlock_definer;

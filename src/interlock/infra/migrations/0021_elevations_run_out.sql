-- An elevation that runs out is put on record and told, as one that is ended is. See docs/concepts/break-glass.md.

set local search_path = interlock;

alter table elevations add column ran_out_at timestamptz;  -- when it was seen that it had run out
alter table elevations add check (ran_out_at is null or ended_at is null);
grant update (ran_out_at) on elevations to interlock_app;
create index elevations_running on elevations (ends_at) where ended_at is null and ran_out_at is null;

-- Across tenants: IDs only.
create policy definer_across on elevations for select to interlock_definer using (true);
create function elevations_run_out(batch int) returns table (tenant text, id text)
    language sql stable security definer set search_path = interlock, pg_temp
as $$
    select e.tenant, e.id from elevations e
    where e.ended_at is null and e.ran_out_at is null and e.ends_at <= time_now() order by e.ends_at limit batch
$$;

grant create on schema interlock to interlock_definer;  -- only while it is given its function
alter function elevations_run_out(int) owner to interlock_definer;
revoke all on function elevations_run_out(int) from public;
grant execute on function elevations_run_out(int) to interlock_app;
revoke create on schema interlock from interlock_definer;

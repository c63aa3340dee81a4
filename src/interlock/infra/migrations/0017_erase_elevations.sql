-- What was written about an emergency elevation goes with the person who took it. See docs/concepts/break-glass.md.

set local search_path = interlock;

create policy definer on elevations to interlock_definer using (tenant = current_tenant()) with check (tenant = current_tenant());
grant select, update (reason, note) on elevations to interlock_definer;

-- Erase why somebody took elevations, what others said of those, and what they said of others'; only while their erasure is carried out.
create function erase_elevations(whose text) returns void
    language plpgsql volatile security definer set search_path = interlock, pg_temp
as $$
begin
    if not exists (select from erasures where tenant = current_tenant() and subject = whose and state = 'pending') then
        return;
    end if;
    update elevations set reason = '', note = case when note is not null then '' end
        where tenant = current_tenant() and user_id = whose;
    update elevations set note = '' where tenant = current_tenant() and acknowledged_by = whose and note is not null;
end $$;

grant create on schema interlock to interlock_definer;  -- only while it is given its function
alter function erase_elevations(text) owner to interlock_definer;
revoke all on function erase_elevations(text) from public;
grant execute on function erase_elevations(text) to interlock_app;
revoke create on schema interlock from interlock_definer;

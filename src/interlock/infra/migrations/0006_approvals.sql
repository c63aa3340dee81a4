-- Reviews that several people must approve. See docs/concepts/reviews.md.

set local search_path = interlock;

alter table reviews
    add column approvals_needed int not null default 1 check (approvals_needed between 1 and 9),
    add column also text[] not null default '{}',     -- further roles and people who may answer
    add column revision int not null default 0,       -- counts changes of the values while approvals are collected
    add column standing json;                         -- the values as amended so far; null: as shown

-- Each approval of a review that needs several; never changed but for being taken back.
create table review_approvals (
    tenant text not null,
    review_id text not null,
    number int not null check (number > 0),
    revision int not null,                            -- of the values that it approves
    by_whom text not null,
    persons text[] not null,                          -- who stands behind it, in one spelling
    verdict text not null check (verdict in ('approve', 'amend')),
    answer json,                                      -- null: erased
    salt bytea not null,
    given_at timestamptz not null default time_now(),
    hold_until timestamptz,
    revoked_at timestamptz,
    primary key (tenant, review_id, number),
    foreign key (tenant, review_id) references reviews (tenant, id)
);

alter table review_approvals enable row level security;
alter table review_approvals force row level security;
create policy tenant_isolation on review_approvals to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());
create policy definer on review_approvals to interlock_definer using (tenant = current_tenant()) with check (tenant = current_tenant());
grant select, update on review_approvals to interlock_definer;
grant select, insert, update (revoked_at) on review_approvals to interlock_app;

-- Erase what approvals of a task's reviews said; who gave them and when stays. Called with `erase_task`.
create function erase_approvals(which text) returns void
    language plpgsql volatile security definer set search_path = interlock, pg_temp
as $$
begin
    update reviews set standing = null where tenant = current_tenant() and task_id = which and exists (
        select from tasks t where t.tenant = reviews.tenant and t.id = which and t.erased_at is not null);
    update review_approvals a set answer = null from reviews r join tasks t on t.tenant = r.tenant and t.id = r.task_id
        where r.tenant = current_tenant() and r.task_id = which and t.erased_at is not null
            and a.tenant = r.tenant and a.review_id = r.id;
end $$;

grant create on schema interlock to interlock_definer;  -- only while it is given its function
alter function erase_approvals(text) owner to interlock_definer;
revoke all on function erase_approvals(text) from public;
grant execute on function erase_approvals(text) to interlock_app;
revoke create on schema interlock from interlock_definer;

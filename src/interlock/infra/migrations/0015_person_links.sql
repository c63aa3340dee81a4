-- Which names are one person: separation of duties and approvals by several people count them once. See docs/concepts/tenants-and-keys.md.

set local search_path = interlock;

create table person_links (
    tenant text not null references tenants,
    id text not null,
    one text not null check (one like 'user:%'),
    other text not null check (other like 'user:%'),
    linked_by text not null,
    linked_at timestamptz not null default time_now(),
    ended_at timestamptz,
    ended_by text,
    primary key (tenant, id),
    check (lower(one) <> lower(other)),
    check ((ended_at is null) = (ended_by is null))
);
create index on person_links (tenant, lower(one)) where ended_at is null;
create index on person_links (tenant, lower(other)) where ended_at is null;

alter table person_links enable row level security;
alter table person_links force row level security;
create policy tenant_isolation on person_links to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert on person_links to interlock_app;
grant update (ended_at, ended_by) on person_links to interlock_app;

-- Persons (`person_of`) with all other names of theirs, over any number of links. Runs as who asks, so row-level security holds it.
create function with_links(names text[]) returns text[]
    language sql stable set search_path = interlock, pg_temp
as $$
    with recursive same (name) as (
        select unnest(names)
        union
        select case when lower(l.one) = s.name then lower(l.other) else lower(l.one) end
        from same s join person_links l on l.tenant = current_tenant() and l.ended_at is null and s.name in (lower(l.one), lower(l.other))
    )
    select coalesce(array_agg(name order by name), '{}') from same
$$;
revoke all on function with_links(text[]) from public;
grant execute on function with_links(text[]) to interlock_app;

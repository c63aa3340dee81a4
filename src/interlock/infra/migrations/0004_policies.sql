-- A tenant's own policies: sets of files that are never changed, who asked for and decided on each change, what is in force now, and
-- what a set that only looks on would have answered otherwise. See docs/concepts/policies.md.

set local search_path = interlock;

create table policy_sets (
    tenant text not null references tenants,
    number int not null check (number > 0),
    version text not null,                -- SHA-256 (hex) over the files
    files json not null,                  -- {"name.cedar": "text", "cases.yaml": "text"}
    note text not null,
    created_by text not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, number)
);

create table policy_changes (
    tenant text not null references tenants,
    number int not null,                  -- of the change
    set_number int not null,              -- 0: none of the tenant's own
    mode text not null check (mode in ('active', 'shadow')),
    kind text not null check (kind in ('activate', 'rollback')),
    state text not null check (state in ('proposed', 'done', 'rejected')),
    asked_by text not null,
    asked_at timestamptz not null default time_now(),
    decided_by text,
    decided_at timestamptz,
    reason text,
    primary key (tenant, number)
);
create unique index policy_changes_open on policy_changes (tenant) where state = 'proposed';

create table policy_now (
    tenant text primary key references tenants,
    active int not null default 0,
    shadow int not null default 0,        -- 0: nothing looks on
    changed_at timestamptz not null default time_now()
);

create table policy_differences (
    tenant text not null references tenants,
    set_number int not null,              -- the set that looks on
    key text not null,                    -- SHA-256 (hex) over what follows
    action text not null,
    answer text not null,                 -- of what is in force, and counted
    would_be text not null,
    reasons text[] not null,              -- policy IDs
    would_be_reasons text[] not null,
    count bigint not null,
    first_at timestamptz not null default time_now(),
    last_at timestamptz not null default time_now(),
    primary key (tenant, set_number, key)
);

do $$
declare t text;
begin
    foreach t in array array['policy_sets', 'policy_changes', 'policy_now', 'policy_differences'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
end $$;

grant select, insert on policy_sets to interlock_app;
grant select, insert, update on policy_changes, policy_now, policy_differences to interlock_app;

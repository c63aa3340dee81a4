-- Model versions: what was registered, how it was measured, who approved and released it, and the signed statement of that. The public
-- keys that statements are signed with. See docs/concepts/model-provenance.md.

set local search_path = interlock;

create table model_versions (
    tenant text not null references tenants,
    number int not null check (number > 0),
    automation text not null,
    model text not null,
    version text not null,                -- as model.toml names it
    digest text not null,                 -- SHA-256 (hex) over the names and bytes of its files
    files json not null,                  -- {"predictor.py": SHA-256 (hex)}
    card json not null,                   -- model.toml
    origin text not null check (origin in ('registered', 'shipped')),
    state text not null check (state in ('registered', 'evaluated', 'approved', 'released', 'retired', 'rejected')),
    created_at timestamptz not null default time_now(),
    changed_at timestamptz not null default time_now(),
    primary key (tenant, number),
    unique (tenant, automation, model, digest)
);

create table model_acts (
    tenant text not null,
    version_number int not null,
    number int not null check (number > 0),
    kind text not null check (kind in ('registered', 'evaluated', 'approved', 'released', 'retired', 'rejected')),
    by_whom text not null,
    at timestamptz not null,
    note text not null,
    facts json not null,                  -- of an evaluation: on which data, and what was measured
    envelope text,                        -- of a release: the signed statement, DSSE
    check ((envelope is not null) = (kind = 'released')),
    primary key (tenant, version_number, number),
    foreign key (tenant, version_number) references model_versions (tenant, number)
);

create table model_keys (
    tenant text not null references tenants,
    number int not null check (number > 0),
    public_key bytea not null,            -- the private one follows from the master key, so a row alone makes nobody trusted
    created_by text not null,
    created_at timestamptz not null default time_now(),
    revoked_by text,
    revoked_at timestamptz,
    primary key (tenant, number),
    check ((revoked_by is null) = (revoked_at is null))
);

do $$
declare t text;
begin
    foreach t in array array['model_versions', 'model_acts', 'model_keys'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
end $$;

grant select, insert on model_versions, model_acts, model_keys to interlock_app;
grant update (state, changed_at) on model_versions to interlock_app;
grant update (revoked_by, revoked_at) on model_keys to interlock_app;

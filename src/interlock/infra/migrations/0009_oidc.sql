-- Whose word is taken for who somebody is: a tenant's identity providers. See docs/concepts/tenants-and-keys.md.

set local search_path = interlock;

create table identity_providers (
    tenant text not null references tenants,
    name text not null,
    issuer text not null,
    client_id text not null,
    sealed_secret bytea,                  -- of the client, sealed to tenant, name, issuer and client; null: it has none
    algorithm text not null check (algorithm in ('RS256', 'ES256', 'EdDSA')),
    audience text check (audience <> client_id),  -- of tokens that programs send; null: none is taken
    scopes text[] not null,
    groups_claim text not null,
    user_claim text not null check (user_claim in ('sub', 'email', 'preferred_username')),
    required_claims jsonb not null,
    groups jsonb not null,                -- which group has which roles
    set_by text not null,
    set_at timestamptz not null default time_now(),
    primary key (tenant, name),
    unique (tenant, issuer)               -- accounts belong to an issuer, so one mapping gives their roles
);

alter table identity_providers enable row level security;
alter table identity_providers force row level security;
create policy tenant_isolation on identity_providers to interlock_app
    using (tenant = current_tenant()) with check (tenant = current_tenant());

grant select, insert, update, delete on identity_providers to interlock_app;

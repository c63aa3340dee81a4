-- Who may call: keys that are narrowed, rotated and seen in use; people and service accounts; sessions. See docs/concepts/tenants-and-keys.md.

set local search_path = interlock;

alter table api_keys
    add column scope_actions text[],      -- null: not narrowed
    add column scope_automations text[],
    add column last_used_at timestamptz,  -- within a minute; like liveness of tasks, it has no leaf
    add column old_hash bytea,            -- of the secret before the last rotation,
    add column old_until timestamptz;     -- which opens until then

-- People who may sign in, and service accounts. Who has no row may still hold keys, but for services.
create table accounts (
    tenant text not null references tenants,
    id text not null check (id ~ '^(user|service):'),
    ref text not null unique,             -- what leaves call it: an ID would name the person
    name text not null,                   -- what people call it
    roles text[] not null default '{}',   -- of sessions; a key has its own
    approval_limit numeric,
    password_hash text,                   -- argon2id in PHC form; null: no sign-in with a password
    issuer text,                          -- of OIDC, with the subject there; null: no sign-in by it
    subject text,
    created_by text not null,
    created_at timestamptz not null default time_now(),
    disabled_at timestamptz,
    primary key (tenant, id)
);
create unique index on accounts (tenant, issuer, subject);

create table sessions (
    tenant text not null references tenants,
    id text not null unique,
    token_hash bytea not null,            -- HMAC-SHA256 of the token's secret under a key of the deployment
    user_id text not null,
    method text not null check (method in ('key', 'password', 'oidc')),
    key_id text,                          -- what it was exchanged for; it ends with the key
    created_at timestamptz not null default time_now(),
    last_used_at timestamptz not null default time_now(),
    expires_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant, id),
    check ((method = 'key') = (key_id is not null))
);
create index on sessions (tenant, user_id);

-- Tries to sign in, counted in windows. What a bucket counts is named by an HMAC: no user name and no address stands here.
create table sign_in_tries (
    tenant text not null,
    bucket bytea not null,
    tries int not null,
    since timestamptz not null default time_now(),
    primary key (tenant, bucket)
);

do $$
declare t text;
begin
    foreach t in array array['accounts', 'sessions', 'sign_in_tries'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
    foreach t in array array['sessions', 'sign_in_tries'] loop
        execute format('create policy definer on %I to interlock_definer using (true) with check (false)', t);
    end loop;
end $$;

grant select, insert, update on accounts, sessions, sign_in_tries to interlock_app;
grant select, delete on sessions, sign_in_tries to interlock_definer;

create function find_session(session_id text) returns text
    language sql stable security definer set search_path = interlock, pg_temp
as $$ select s.tenant from sessions s where s.id = session_id $$;

-- Sessions that ended, or ran out, before then; and tries whose windows are long over.
create function forget_sessions(older_than interval) returns bigint
    language sql volatile security definer set search_path = interlock, pg_temp
as $$
    with gone as (delete from sessions where least(ended_at, expires_at) < time_now() - older_than returning 1),
        tries as (delete from sign_in_tries where since < time_now() - interval '2 days' returning 1)
    select (select count(*) from gone) + (select count(*) from tries)
$$;

-- The installation's tenants, for its admin.
create function all_tenants(after text, batch int) returns table (tenant text, name text, created_at timestamptz)
    language sql stable security definer set search_path = interlock, pg_temp
as $$ select t.tenant, t.name, t.created_at from tenants t where t.tenant > after order by 1 limit batch $$;

grant create on schema interlock to interlock_definer;  -- only while it is given its functions
do $$
declare f text;
begin
    foreach f in array array['find_session(text)', 'forget_sessions(interval)', 'all_tenants(text, int)'] loop
        execute format('alter function %s owner to interlock_definer', f);
        execute format('revoke all on function %s from public', f);
        execute format('grant execute on function %s to interlock_app', f);
    end loop;
end $$;
revoke create on schema interlock from interlock_definer;

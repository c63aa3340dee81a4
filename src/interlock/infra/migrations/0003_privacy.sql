-- Personal data: pseudonyms of tasks, erasures of people, and what a sweep has erased. See docs/concepts/personal-data.md.
--
-- The application still cannot change what is recorded: it may call the functions below, which erase the content of one ended task or one
-- document inside its own tenant, leave who did what and when, and touch nothing else.

set local search_path = interlock;

alter table subject_keys add column closing_at timestamptz;  -- an erasure was asked for: no new task of this subject
alter table tasks add column erased_at timestamptz;
alter table documents add column erased_at timestamptz;

-- What stands for what in a task, each value sealed under its subject's key.
create table pseudonyms (
    tenant text not null,
    task_id text not null,
    name text not null,
    sealed bytea not null,
    created_at timestamptz not null default time_now(),
    primary key (tenant, task_id, name),
    foreign key (tenant, task_id) references tasks (tenant, id)
);

create table erasures (
    tenant text not null references tenants,
    id text not null,
    subject text not null,
    state text not null default 'pending' check (state in ('pending', 'done')),
    requested_by text not null,
    requested_at timestamptz not null default time_now(),
    done_at timestamptz,
    tasks int not null default 0,
    documents int not null default 0,
    kept_documents int not null default 0,      -- named by tasks of other people too
    primary key (tenant, id)
);
create unique index erasures_pending on erasures (tenant, subject) where state = 'pending';

do $$
declare t text;
begin
    foreach t in array array['pseudonyms', 'erasures'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant_isolation on %I to interlock_app using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
    -- What the erasing functions touch, they touch inside the tenant that is set and in no other.
    foreach t in array array['effects', 'openings', 'attempts', 'reviews', 'review_events', 'outbox', 'documents', 'pseudonyms'] loop
        execute format('create policy definer on %I to interlock_definer using (tenant = current_tenant()) with check (tenant = current_tenant())', t);
    end loop;
    create policy definer on erasures to interlock_definer using (true) with check (false);
end $$;

grant select, insert on pseudonyms to interlock_app;
grant select, insert, update on erasures to interlock_app;
grant select on erasures to interlock_definer;
grant select, update on effects, openings, attempts, reviews, review_events, outbox, documents to interlock_definer;
grant select, delete on pseudonyms to interlock_definer;

-- Erase what an ended task holds; false where it is open, its callback is not delivered yet, or it was erased before.
create function erase_task(which text) returns boolean
    language plpgsql volatile security definer set search_path = interlock, pg_temp
as $$
begin
    if exists (select from deliveries where tenant = current_tenant() and task_id = which and state = 'pending') then
        return false;
    end if;
    update tasks set input = null, input_ref = null, output = null, output_ref = null, error = null, labels = '{}', callback_url = null,
        erased_at = time_now()
    where tenant = current_tenant() and id = which and state in ('succeeded', 'failed', 'cancelled') and erased_at is null;
    if not found then
        return false;
    end if;
    -- A digest of what can be guessed tells it, so digests go too.
    update effects set input = null, input_ref = null, value = null, value_ref = null, error = null, target = '', input_digest = ''
        where tenant = current_tenant() and task_id = which;
    update openings set input_digest = '' where tenant = current_tenant() and task_id = which;
    update attempts set error = json_build_object('kind', error->>'kind', 'message', '')
        where tenant = current_tenant() and task_id = which;
    update review_events e set data = '{}' from reviews r
        where r.tenant = current_tenant() and r.task_id = which and e.tenant = r.tenant and e.review_id = r.id;
    update reviews set request = json_build_object('title', '(erased)', 'role', role), answer = null, subject = null, input_digest = ''
        where tenant = current_tenant() and task_id = which;
    update outbox set data = '{}' where tenant = current_tenant() and task_id = which;
    update deliveries set body = '', url = '' where tenant = current_tenant() and task_id = which;
    delete from idempotency_keys where tenant = current_tenant() and resource_id = which;
    delete from pseudonyms where tenant = current_tenant() and task_id = which;
    return true;
end $$;

-- Erase what is known of a document; its file goes first, by the application. False where it was erased before.
create function erase_document(which text) returns boolean
    language plpgsql volatile security definer set search_path = interlock, pg_temp
as $$
begin
    update documents set sha256 = '', filename = '', erased_at = time_now()
        where tenant = current_tenant() and id = which and erased_at is null;
    return found;
end $$;

-- Across tenants: IDs only.
create function pending_erasures(batch int) returns table (tenant text, id text)
    language sql stable security definer set search_path = interlock, pg_temp
as $$ select e.tenant, e.id from erasures e where e.state = 'pending' order by e.requested_at limit batch $$;

create function known_tenants() returns table (tenant text)
    language sql stable security definer set search_path = interlock, pg_temp
as $$ select t.tenant from tenants t order by 1 $$;

grant create on schema interlock to interlock_definer;  -- only while it is given its functions
do $$
declare f text;
begin
    foreach f in array array['erase_task(text)', 'erase_document(text)', 'pending_erasures(int)', 'known_tenants()'] loop
        execute format('alter function %s owner to interlock_definer', f);
        execute format('revoke all on function %s from public', f);
        execute format('grant execute on function %s to interlock_app', f);
    end loop;
end $$;
revoke create on schema interlock from interlock_definer;

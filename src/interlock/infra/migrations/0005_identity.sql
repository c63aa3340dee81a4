-- Who may call: keys that are narrowed, rotated and seen in use. See docs/concepts/tenants-and-keys.md.

set local search_path = interlock;

alter table api_keys
    add column scope_actions text[],      -- null: not narrowed
    add column scope_automations text[],
    add column last_used_at timestamptz,  -- within a minute; like liveness of tasks, it has no leaf
    add column old_hash bytea,            -- of the secret before the last rotation,
    add column old_until timestamptz;     -- which opens until then

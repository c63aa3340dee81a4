-- Evidence packs are signed with the audit log's current key where they are made, by the API. The key lies wrapped under one that follows from the
-- master key, which the API holds; it only reads it.
set local search_path = interlock;

grant select on audit_private_keys to interlock_app;

"""The statements of `erasures.py`. Each runs inside one tenant."""

from __future__ import annotations

from typing import Final

OPEN: Final = "t.state not in ('succeeded', 'failed', 'cancelled')"
_OWN: Final = "tenant = current_tenant()"

ERASURES: Final = f"""
select e.id, e.subject, e.state, e.requested_by, e.requested_at, e.done_at, e.tasks, e.documents, e.kept_documents,
    (select count(*)::int from tasks t where t.tenant = e.tenant and t.subject = e.subject and {OPEN}
        and e.state = 'pending')
from erasures e where e.tenant = current_tenant()"""
SUBJECT: Final = f"select 1 from subject_keys where {_OWN} and subject = %s"
ACTIVE_KEY: Final = f"""
select 1 from api_keys where {_OWN} and user_id = %s and revoked_at is null and (expires_at is null or expires_at > time_now()) limit 1"""
ACTIVE_ACCOUNT: Final = f"select 1 from accounts where {_OWN} and id = %s and disabled_at is null"
# Who they were in the installation stays, as with keys; what they are called and how they signed in goes.
ERASE_ACCOUNT: Final = f"""
update accounts set name = '', password_hash = null, issuer = null, subject = null where {_OWN} and id = %s and disabled_at is not null
returning ref, roles, approval_limit, disabled_at"""
STANDING: Final = f"""
select e.id from erasures e join subject_keys k on k.tenant = e.tenant and k.subject = e.subject
where e.{_OWN} and e.subject = %s and (e.state = 'pending' or k.erased_at is not null) order by e.requested_at desc limit 1"""
INSERT: Final = "insert into erasures (tenant, id, subject, requested_by) values (current_tenant(), %s, %s, %s)"
CLOSE_SUBJECT: Final = f"update subject_keys set closing_at = time_now() where {_OWN} and subject = %s"

TASKS_ABOUT: Final = f"""
select id, automation, state, accepted_at, ended_at, erased_at from tasks where {_OWN} and subject = %s
order by accepted_at desc, id desc limit %s"""
DOCUMENTS_ABOUT: Final = f"""
select d.id, d.filename, d.media_type, d.size_bytes, d.created_at, d.erased_at from documents d
where d.{_OWN} and (d.created_by = %s or exists (select from tasks t where t.tenant = d.tenant and t.subject = %s
    and t.input::text like '%%' || d.id || '%%'))
order by d.created_at desc, d.id limit %s"""

ACCOUNTS_ABOUT: Final = f"select id, name, roles, created_at, disabled_at from accounts where {_OWN} and id = %s"
ELEVATIONS_ABOUT: Final = f"""
select id, opened_at, user_id = %(who)s, reason, note from elevations where {_OWN} and %(who)s in (user_id, acknowledged_by)
order by id desc limit %(limit)s"""
LINKS_ABOUT: Final = f"""
select id, case when one = %s then other else one end, linked_at, ended_at from person_links where {_OWN} and %s in (one, other)
order by id desc limit %s"""
SESSIONS_ABOUT: Final = f"""
select id, method, created_at, last_used_at, expires_at, ended_at from sessions where {_OWN} and user_id = %s
order by created_at desc, id limit %s"""
VIEWS_ABOUT: Final = f"""
select id, page, name, filters, shared, changed_at from saved_views where {_OWN} and owner = %s order by page, name limit %s"""
REMOVE_VIEWS: Final = f"delete from saved_views where {_OWN} and owner = %s returning id"

TASKS_LEFT: Final = f"""
select id, generation, input::text, input_ref from tasks where {_OWN} and subject = %s and erased_at is null order by id limit %s"""
HELD_BACK: Final = f"select distinct task_id from deliveries where {_OWN} and task_id = any(%s) and state = 'pending'"
OBJECTS: Final = f"""
select input_ref from tasks where {_OWN} and id = any(%(ids)s) and input_ref is not null
union select output_ref from tasks where {_OWN} and id = any(%(ids)s) and output_ref is not null
union select input_ref from effects where {_OWN} and task_id = any(%(ids)s) and input_ref is not null
union select value_ref from effects where {_OWN} and task_id = any(%(ids)s) and value_ref is not null"""
COUNT: Final = f"""
update erasures set tasks = tasks + %s, documents = documents + %s, kept_documents = kept_documents + %s where {_OWN} and id = %s"""

DOCUMENT: Final = f"select object_key from documents where {_OWN} and id = %s and erased_at is null"
# Named by a task of somebody else; or, with no subject (age), by any open one. An input in the object store cannot be searched here: of
# such a task its effects are looked at, and while it is open it is taken to name everything.
NAMED_BY_OTHERS: Final = f"""
select 1 from tasks t where t.{_OWN} and t.erased_at is null
    and (t.input::text like %(doc)s or (t.input_ref is not null and ({OPEN} or exists (select from effects e
        where e.tenant = t.tenant and e.task_id = t.id and e.input::text like %(doc)s))))
    and case when %(subject)s::text is null then {OPEN} else t.subject <> %(subject)s end limit 1"""
OWN_DOCUMENTS: Final = f"select id from documents where {_OWN} and created_by = %s and erased_at is null order by id"

ERASE_ELEVATIONS: Final = "select erase_elevations(%s)"
# Why they rejected what others proposed; that they did, and when, stays.
ERASE_REJECTIONS: Final = (
    f"update policy_changes set reason = null where {_OWN} and decided_by = %s and reason is not null"
)
LOCK: Final = f"select 1 from erasures where {_OWN} and id = %s and state = 'pending' for update skip locked"
ERASE_RESOLUTION: Final = f"update tasks set resolution_note = null where {_OWN} and id = %s"
OPEN_OR_LEFT: Final = f"select 1 from tasks where {_OWN} and subject = %s and erased_at is null limit 1"
DESTROY_KEY: Final = f"update subject_keys set wrapped_key = null, erased_at = time_now() where {_OWN} and subject = %s"
DONE: Final = f"""
update erasures set state = 'done', done_at = time_now() where {_OWN} and id = %s returning tasks, documents, kept_documents"""

TASKS_OVER_AGE: Final = f"""
select id, generation, input::text, input_ref from tasks t where {_OWN} and erased_at is null and ended_at < time_now() - %s
    and not exists (select from deliveries d where d.tenant = t.tenant and d.task_id = t.id and d.state = 'pending')
order by accepted_at, id limit %s"""
DOCUMENTS_OVER_AGE: Final = f"""
select id from documents d where {_OWN} and erased_at is null and created_at < time_now() - %s
    and not exists (select from tasks t where t.tenant = d.tenant and {OPEN}
        and (t.input::text like '%%' || d.id || '%%' or t.input_ref is not null))
order by created_at, id limit %s"""

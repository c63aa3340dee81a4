"""What a caller may see of a document and of a list: each item is asked about, so that a policy about one matter holds in lists too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interlock.api.auth import Caller
from interlock.domain.documents import Document
from interlock.governance import ask
from interlock.orchestration.duplicates import Duplicate
from interlock.orchestration.review_rights import entity
from interlock.orchestration.review_rows import Review
from interlock.orchestration.task_views import TaskView


async def document(caller: Caller, document_id: str) -> Document:
    """Give a document that the caller may read. Raises NotFound, Refused."""
    documents = caller.app.documents
    found = await documents.get(caller.tenant, document_id)
    others = await documents.of_others(caller.tenant, [found.id], caller.principal.id)
    by = None if others else caller.principal.id
    caller.require("document.read", ask.document(caller.tenant, found.id, created_by=by))
    return found


def may_read_task(caller: Caller, view: TaskView | Duplicate) -> bool:
    resource = ask.task(caller.tenant, view.id, automation=view.automation, submitted_by=view.submitted_by)
    return caller.may("task.read", resource, automation=view.automation)


def may_read_review(caller: Caller, review: Review) -> bool:
    context = ask.behalf(caller.principal)
    return caller.may("review.read", entity(caller.tenant, review), automation=review.automation, context=context)


def tasks(caller: Caller, found: Iterable[TaskView]) -> list[TaskView]:
    """Give those that the policy lets the caller read; a page may so hold fewer than asked, and the next one goes on."""
    return [view for view in found if may_read_task(caller, view)]


def reviews(callers: Sequence[Caller], found: Iterable[Review]) -> list[Review]:
    """Give those that the policy lets one of the callers read: one person, with their own rights and with those that others lent them."""
    return [review for review in found if any(may_read_review(caller, review) for caller in callers)]


def duplicates(callers: Sequence[Caller], found: Iterable[Duplicate]) -> list[Duplicate]:
    """Give those whose tasks the policy lets one of the callers read, as for `reviews`."""
    return [one for one in found if any(may_read_task(caller, one) for caller in callers)]

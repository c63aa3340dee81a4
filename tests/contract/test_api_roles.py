"""What roles may, over all routes: an auditor reads each of them and changes nothing; an agent and a guest do not even list."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.contract.api_fixture import MARKS, api
from tests.contract.running_api import Running
from tests.contract.test_api_tenants import DOORS, NOWHERE, OPEN, call, fill, owned, path_for, routes

pytestmark = MARKS
__all__ = ["api", "fill", "owned"]
# What everybody asks about themselves and their own keys and sessions.
OF_ONESELF = {"/v1/whoami", "/v1/sessions", "/v1/sessions/current", "/.well-known/authzen-configuration"}
# Questions and trials, sent as POST for their bodies: they change nothing, and auditors may ask them.
ASKING = ("/access/v1/", "/v1/policies/questions/", "/v1/policies/check", "/v1/policies/diff", "/v1/policies/test")
STREAMS = {"/v1/events", "/v1/tasks/{task_id}/events"}  # they do not end
PARAMETERS = {"/v1/audit/proofs/inclusion": {"position": 0}, "/v1/audit/proofs/consistency": {"first": 1}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def state(api: Running, owned: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """IDs of everything, in the auditor's own tenant."""
    yield owned


@pytest.mark.parametrize("template", [p for m, p in routes() if m == "GET" and p not in OPEN | DOORS | STREAMS])
async def test_an_auditor_reads_every_route(api: Running, state: dict[str, str], template: str) -> None:
    answer = await api.as_("auditor").get(path_for(template, state), params=PARAMETERS.get(template))
    # 404: what the fixture's rows name was never made whole (a checkpoint, a session by cookie); 422: a parameter is missing.
    assert answer.status_code in (200, 404, 422), (template, answer.text)


@pytest.mark.parametrize(("method", "template"), [r for r in routes() if r[0] != "GET" and r[1] not in OF_ONESELF])
async def test_an_auditor_changes_nothing(api: Running, state: dict[str, str], method: str, template: str) -> None:
    async def rows() -> list[tuple[object, ...]]:
        # What only grows with each change: records of what was done.
        return await api.owner("select count(*) from audit_records where strpos(leaf, '.refused\"') = 0")

    before = await rows()
    answer = await call(api.as_("auditor"), method, path_for(template, state))
    if template.startswith(ASKING):
        assert answer.status_code in (200, 400, 422), (template, answer.text)
    else:
        # Whose answer it was is said without asking a policy: nobody takes back another's.
        others = (409,) if template.endswith(":revoke") else ()
        assert answer.status_code in (403, 422, *others), (template, answer.text)
    assert await rows() == before


@pytest.mark.parametrize("who", ["agent", "nobody"])
async def test_who_has_no_such_role_reads_nothing_of_the_tenant(api: Running, state: dict[str, str], who: str) -> None:
    for method, template in routes():
        if method != "GET" or template in OPEN | DOORS | OF_ONESELF | STREAMS:
            continue
        answer = await api.as_(who).get(path_for(template, NOWHERE), params=PARAMETERS.get(template))
        empty = answer.status_code == 200 and not answer.json().get("items", True)
        listed = who == "agent" and template == "/v1/automations"
        assert answer.status_code in (403, 404, 422) or empty or listed, (template, answer.text)

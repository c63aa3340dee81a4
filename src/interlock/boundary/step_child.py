"""What a step process does with a call: find the step, give it its call, run it, and tell the worker what it writes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlock.boundary.step_output import Capture, InContext, Limits
from interlock.domain import canonical
from interlock.infra import modules
from interlock.infra.child import GiveUp, Handler, tell
from interlock.sdk.step import CALL, InvalidArguments, NonRetryable, Step, StepCall


def handler(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a step process; `config` names the folder of automations, and what is kept of what steps write."""
    modules.mount(Path(config["automations_dir"]))
    capture = Capture(Limits(**config["logs"]), tell)
    steps: dict[str, Step[Any, Any]] = {}

    async def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        if not steps:
            asyncio.get_running_loop().set_default_executor(InContext())
        capture.begin(body["call"]["secrets"])
        try:
            return canonical.plain(await _run(steps, body))
        except BaseException as error:
            capture.failed(error)
            raise
        finally:
            capture.end()

    return run


async def _run(steps: dict[str, Step[Any, Any]], body: Mapping[str, Any]) -> Any:
    target = body["target"]
    step = steps.get(target)
    if step is None:
        step = steps[target] = _find(target)
    token = CALL.set(StepCall(**body["call"]))
    try:
        return await step.run(body["arguments"])
    except NonRetryable as error:
        raise GiveUp(str(error), kind="NonRetryable") from error
    except InvalidArguments as error:
        raise GiveUp(str(error), kind="InvalidArguments") from error
    finally:
        CALL.reset(token)


def _find(target: str) -> Step[Any, Any]:
    module, _, name = target.partition(":")
    found = getattr(modules.load(module), name, None)
    if not isinstance(found, Step):
        raise GiveUp(f"{target} is no step", kind="UnknownStep")
    return found

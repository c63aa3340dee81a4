"""What a step process does with a call: find the step, give it its call, run it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.domain import canonical
from interlock.infra import modules
from interlock.infra.child import GiveUp, Handler
from interlock.sdk.step import CALL, NonRetryable, Step, StepCall


def handler(config: Mapping[str, Any]) -> Handler:
    """Give the handler of a step process; `config` names the folder of automations."""
    modules.mount(Path(config["automations_dir"]))
    steps: dict[str, Step[Any, Any]] = {}

    async def run(body: Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
        target = body["target"]
        step = steps.get(target)
        if step is None:
            step = steps[target] = _find(target)
        token = CALL.set(StepCall(**body["call"]))
        try:
            return canonical.plain(await step.run(body["arguments"]))
        except NonRetryable as error:
            raise GiveUp(str(error), kind="NonRetryable") from error
        except ValidationError as error:
            raise GiveUp(f"the arguments do not fit {target}: {error}", kind="InvalidArguments") from error
        finally:
            CALL.reset(token)

    return run


def _find(target: str) -> Step[Any, Any]:
    module, _, name = target.partition(":")
    found = getattr(modules.load(module), name, None)
    if not isinstance(found, Step):
        raise GiveUp(f"{target} is no step", kind="UnknownStep")
    return found

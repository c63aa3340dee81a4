"""What an author of automations imports. A golden test pins these names."""

from interlock.domain.decisions import Decision
from interlock.domain.documents import Document
from interlock.domain.effects import Retry
from interlock.domain.reviews import Verdict
from interlock.sdk.automation import automation
from interlock.sdk.step import NonRetryable, current_step, step
from interlock.sdk.task import Answer, Denied, EffectFailed, Endpoint, Fetched, Prediction, Reservation, Task

__all__ = [
    "Answer",
    "Decision",
    "Denied",
    "Document",
    "EffectFailed",
    "Endpoint",
    "Fetched",
    "NonRetryable",
    "Prediction",
    "Reservation",
    "Retry",
    "Task",
    "Verdict",
    "automation",
    "current_step",
    "step",
]

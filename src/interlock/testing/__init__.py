"""Run an automation in this process against fakes, and replay recorded journals. See `docs/how-to/write-an-automation.md`."""

from interlock.testing.executors import Answered, OpenedReview
from interlock.testing.harness import Case, EffectRow, Harness, Result
from interlock.testing.journals import Replayed, replay

__all__ = ["Answered", "Case", "EffectRow", "Harness", "OpenedReview", "Replayed", "Result", "replay"]

"""The settings of what is kept of what steps write. Part of `Settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class StepLogSettings(BaseModel):
    """How much of a step's output is kept beside its effect."""

    step_log_bytes_max: int = Field(
        65_536, ge=1_000, le=10_000_000, description="Bytes that one attempt of a step may write to its logs."
    )
    step_log_lines_max: int = Field(
        1_000, ge=10, le=100_000, description="Lines that one attempt of a step may write to its logs."
    )
    step_log_line_chars_max: int = Field(
        2_000, ge=80, le=100_000, description="Characters of one line of a step's logs; the rest is cut, and counted."
    )
    step_log_task_bytes_max: int = Field(
        16_000_000,
        ge=1_000,
        le=10_000_000_000,
        description="Bytes of logs that are kept of one task, retries included.",
    )
    step_log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe record of `logging` that is kept of a step."
    )

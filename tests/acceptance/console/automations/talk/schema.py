"""What comes in and what goes out."""

from __future__ import annotations

from pydantic import BaseModel


class Entry(BaseModel):
    """What is posted."""

    amount: str


class Posted(BaseModel):
    """How it is called in the book."""

    number: int

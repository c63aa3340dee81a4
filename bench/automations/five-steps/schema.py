"""What comes in and what goes out."""

from __future__ import annotations

from pydantic import BaseModel


class Order(BaseModel):
    first: int


class Done(BaseModel):
    total: int

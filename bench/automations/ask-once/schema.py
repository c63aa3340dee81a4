"""What comes in, what is asked, and what goes out."""

from __future__ import annotations

from pydantic import BaseModel


class Order(BaseModel):
    number: int


class Form(BaseModel):
    number: int


class Done(BaseModel):
    number: int
    approved: bool

"""What the vendor's automation takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Wanted(BaseModel):
    text: str = "hello"
    how: Literal["sign", "return it", "fail with it"] = "sign"
    url: str = ""


class Told(BaseModel):
    signature: str
    status: int = 0
    body: str = ""

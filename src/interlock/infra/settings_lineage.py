"""The settings of what is told to an OpenLineage backend. Part of `Settings`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator


class LineageSettings(BaseModel):
    """Where lineage events go."""

    openlineage_url: str | None = Field(
        None,
        description="Where OpenLineage run events go: `https://host/api/v1/lineage`, or `file:///path` for lines of JSON; unset: nowhere.",
    )
    openlineage_api_key: str | None = Field(
        None, repr=False, min_length=1, max_length=4096, description="Sent to it as a bearer token."
    )
    openlineage_namespace: str = Field(
        "interlock",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$",
        description="Namespace of jobs and data sets; the tenant is appended to it.",
    )
    openlineage_attempts_max: int = Field(
        12, ge=1, le=100, description="Attempts of one event before it is passed over, and counted."
    )
    openlineage_backoff_max_s: float = Field(
        300.0, gt=0, le=86_400, description="Longest pause between attempts of one event."
    )

    @field_validator("openlineage_url")
    @classmethod
    def _http_or_file(cls, value: str | None) -> str | None:
        if value is None:
            return None
        found = urlsplit(value)
        reached = found.netloc if found.scheme in ("http", "https") else found.path if not found.netloc else ""
        if found.scheme not in ("http", "https", "file") or not reached:
            raise ValueError("the URL should be https://host/path, http://host/path or file:///path")
        return value

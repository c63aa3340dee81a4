"""Emergency elevations that are open or not reviewed, for `status` and `doctor`: they are seen where everybody looks."""

from __future__ import annotations

from typing import Any

from interlock.infra.settings import Settings


def unreviewed(settings: Settings) -> list[dict[str, Any]]:
    """Give those of the tenant of the command line's key, newest first.

    Raises:
        InterlockError: the API does not answer, or not to this key.
    """
    from interlock.cli.client import Client  # noqa: PLC0415 - the life of processes does not wait for an HTTP client

    with Client(settings) as client:
        found: list[dict[str, Any]] = client.get("/v1/system")["elevations"]
    return found


def told(one: dict[str, Any]) -> str:
    """Say in a line what an elevation is."""
    what = "is open until" if one["state"] == "open" else "is over and was not reviewed; it lasted until"
    return f"BREAK-GLASS {one['id']} {what} {one['ends_at']}, for {', '.join(one['actions'])}"

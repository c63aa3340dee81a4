"""How it goes with the audit log's witnesses, from the file in which the relay says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from interlock.infra.data_folder import DataFolder


def witness_states(folder: DataFolder) -> Mapping[str, Mapping[str, Any]]:
    """Give the state of each witness by name; empty where none was handed anything yet, or the file cannot be read."""
    try:
        found = json.loads(folder.witnesses.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}


def told(name: str, one: Mapping[str, Any]) -> str:
    """Say it in a sentence."""
    if one.get("failures"):
        return (
            f"{name} failed {one['failures']} times: {one.get('error')} (it last stated {one.get('size', 0)} records)"
        )
    return f"{name} stated {one.get('size', 0)} records"

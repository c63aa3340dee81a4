"""The options that every command takes, and the settings that they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interlock.infra.settings import Settings, load

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="INTERLOCK_DATA_DIR", metavar="DIR", help="Folder of the installation.", show_default="./.data"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_for(data: Path | None) -> Settings:
    """Load the settings; `--data` wins over the environment. Raises ConfigurationError for a wrong one."""
    return load(data_dir=data)

"""The options that every command takes, and the settings that they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interlock.infra.settings import Settings, load


def _folder(text: str) -> Path:
    """Take a folder's name. An empty one is a script's unset variable, and not the folder that somebody happens to stand in."""
    if not str(text).strip():
        raise typer.BadParameter("It is empty. Name a folder, or leave the option out.")
    return Path(text)


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="INTERLOCK_DATA_DIR",
        metavar="DIR",
        help="Folder of the installation.",
        show_default="./.data",
        parser=_folder,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def settings_for(data: Path | None) -> Settings:
    """Load the settings; `--data` wins over the environment. Raises ConfigurationError for a wrong one."""
    return load(data_dir=data)

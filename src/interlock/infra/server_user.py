"""Who runs the database server: PostgreSQL refuses to run as root, so root needs an unprivileged user for it.

That user must be able to walk to the data and to the programs, and a folder under a 0700 parent is unreachable for it. Modes
are never changed: either the server keeps the one right to walk through closed folders, or the error says what to do.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from interlock.domain.errors import ConfigurationError

# A machine's own `postgres` is made for this; `nobody` exists nearly everywhere.
PREFERRED_USERS = ("postgres", "nobody")
FALLBACK_ID = 65_534


@dataclass(frozen=True, kw_only=True)
class ServerUser:
    """An unprivileged user that root starts the server as."""

    name: str
    uid: int
    gid: int


def choose_server_user(folder: Path) -> ServerUser | None:
    """Give the user who runs the server on this data folder; None when we are not root, so that it is ourselves.

    A folder that exists keeps its owner, so that a user that appears later on the machine changes nothing.

    Raises:
        ConfigurationError: the folder is owned by somebody whom we cannot act for.
    """
    owner = folder.stat() if folder.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise ConfigurationError(
                f"The database folder {folder} belongs to user {_name(owner.st_uid)}, not to {_name(os.geteuid())}.",
                fix="Run as the user who started it first (root, if root did), or choose another folder with --data.",
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return ServerUser(name=_name(owner.st_uid), uid=owner.st_uid, gid=owner.st_gid)
    for name in PREFERRED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return ServerUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    return ServerUser(name=_name(FALLBACK_ID), uid=FALLBACK_ID, gid=FALLBACK_ID)


def closed_folder(path: Path, user: ServerUser) -> Path | None:
    """Give the first folder on the way to `path` (itself included) that `user` may not walk through; None if all is open."""
    path = path.resolve()
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not _may_enter(folder.stat(), user):
            return folder
    return None


def walking_through_closed_folders(user: ServerUser) -> list[str] | None:
    """Give the command that becomes `user` and keeps root's right to walk through and read any folder, and no other right.

    It is what a server below a closed home needs (CAP_DAC_READ_SEARCH). None where the system cannot do that.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return None
    rights = "-all,+dac_read_search"
    command = [setpriv, f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", "--no-new-privs"]
    # access(2), with which initdb looks for its programs, honours the right only with this bit.
    command += ["--securebits=+no_setuid_fixup"]
    command += [f"--inh-caps={rights}", f"--ambient-caps={rights}", f"--bounding-set={rights}", "--"]
    works = (
        subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    )
    return command if works else None


def unreachable(folder: Path, user: ServerUser, *, what: str, fix: str) -> ConfigurationError:
    """Say that the server's user cannot reach what it needs, and the fix."""
    return ConfigurationError(
        f"PostgreSQL cannot run as root, so it runs as user {user.name}, who cannot reach {what}: "
        f"{folder} is closed to others (mode {stat.S_IMODE(folder.stat().st_mode):04o}).",
        fix=fix,
    )


def _may_enter(entry: os.stat_result, user: ServerUser) -> bool:
    if entry.st_uid == user.uid:
        return bool(entry.st_mode & stat.S_IXUSR)
    if entry.st_gid == user.gid:
        return bool(entry.st_mode & stat.S_IXGRP)
    return bool(entry.st_mode & stat.S_IXOTH)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)

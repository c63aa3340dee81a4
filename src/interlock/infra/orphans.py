"""What a killed supervisor left running: found by its state file and by a mark in the environment, then ended.

Linux could end children with their parent (PR_SET_PDEATHSIG), but then killing the supervisor would stop the product; as it
is, orphans go on working until the next `up` replaces them.
"""

from __future__ import annotations

from interlock.infra.data_folder import DataFolder
from interlock.infra.embedded_postgres import EmbeddedPostgres
from interlock.infra.processes import ProcessIdentity, end, with_environment
from interlock.infra.run_state import POSTGRES, SUPERVISOR, read_state

# In the environment of each child and of what it starts. Without it a child that was started just before the supervisor was
# killed, and not written down yet, would never be found. Not a setting, so without the settings' prefix.
MARK = "_INTERLOCK_RUN"


def mark(folder: DataFolder, name: str = "") -> str:
    """Give the mark of one of the folder's processes and of what it starts; without a name, the beginning of all marks."""
    return f"{folder.run}#{name}"


def marked(folder: DataFolder, name: str = "") -> list[ProcessIdentity]:
    """Find what carries the mark of this process, or of any."""
    return with_environment(MARK, mark(folder, name))


def end_programs(folder: DataFolder, *, timeout_s: float) -> list[ProcessIdentity]:
    """End what runs for this folder but the database and a supervisor; give what was found. The caller holds the lock."""
    state = read_state(folder.state)
    recorded = [] if state is None else [one for one in state.processes if one.name not in (SUPERVISOR, POSTGRES)]
    found = [one.identity for one in recorded if one.alive]
    known = {one.pid for one in found}
    found += [one for one in marked(folder) if one.pid not in known]
    end(found, timeout_s=timeout_s)
    return found


def end_all(folder: DataFolder, *, timeout_s: float) -> int:
    """End what runs for this folder without a supervisor, the database last; give how many were found."""
    found = len(end_programs(folder, timeout_s=timeout_s))
    if (folder.path / "pgdata").exists():
        server = EmbeddedPostgres(folder.path)
        if server.living() is not None:
            found += 1
            server.stop(timeout_s=timeout_s)
    return found

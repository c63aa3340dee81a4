"""The newest checkpoint that was signed from this data folder, kept outside of the database.

Whoever owns the database can delete checkpoints, and the records behind them, and the log would only look younger. The note here says how
long it was. It proves nothing against somebody who can write to the data folder too: they hold the signing key as well.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from interlock.domain.errors import AuditBroken
from interlock.governance.audit_keys import KeyRing
from interlock.governance.checkpoints import Checkpoint


class KeptCheckpoint:
    """One file with a signed note."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, ring: KeyRing) -> Checkpoint | None:
        """Give what was signed last; None before the first. Raises AuditBroken where the file holds something else."""
        try:
            note = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise AuditBroken(f"The kept checkpoint {self.path} cannot be read: {type(error).__name__}.") from error
        try:
            return ring.verify(note)
        except AuditBroken as error:
            raise AuditBroken(f"The kept checkpoint {self.path}: {error.detail}") from error

    def write(self, note: str) -> None:
        """Keep a note instead of the one before; whole after a power cut. Several may do so at once, threads of one process too."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(prefix=f"{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            Path(fresh).replace(self.path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise

"""`python -m interlock.cli`."""

from __future__ import annotations

from interlock.cli import main

main()

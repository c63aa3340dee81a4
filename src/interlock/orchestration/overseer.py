"""Stop an automation that computes without end: it would hold up every other task of its worker, and nothing would say so.

A thread looks how long one and the same turn of a private loop has been computing, by the processor time of the process, so that a
process that was paused is blamed for nothing. Where it is too long, a signal lets the main thread raise inside the automation itself.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from interlock.sdk.loop import TURN

LOOKS = 10  # in the time that is allowed


@contextmanager
def overseen(limit_s: float) -> Iterator[None]:
    """Watch over the automations that this thread runs, which must be the main one; elsewhere it does nothing.

    Args:
        limit_s: processor time that code between two effects may take; beyond it the task is parked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    main, over = threading.get_ident(), threading.Event()
    suspect = -1

    def stop(*_: object) -> None:
        loop = TURN.loop
        if loop is not None and TURN.number == suspect:
            raise loop.too_much(
                f"The automation computed for over {limit_s:g} s without asking for an effect. Give it a loop that ends, or compute in a step.",
                "ComputesTooLong",
            )

    def watch() -> None:
        nonlocal suspect
        number, since = -1, 0.0
        while not over.wait(limit_s / LOOKS):
            now = time.process_time()
            if TURN.loop is None or TURN.number != number:
                number, since = TURN.number, now
            elif now - since > limit_s:
                suspect = number
                signal.pthread_kill(main, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, stop)
    watcher = threading.Thread(target=watch, name="overseer", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)

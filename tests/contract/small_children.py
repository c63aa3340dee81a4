"""The children of a small installation, by the first argument: `api PORT`, or `worker`, `relay`, `stubborn`, `dying`, `rejected` FILE.

The standard library only, so that they start at once.
"""

from __future__ import annotations

import os
import signal
import socketserver
import subprocess
import sys
import threading
from pathlib import Path


class Ready200(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


def work(ready: Path, *, stubborn: bool) -> int:
    """Like a worker: start step processes (one in a session of its own), say that it is ready, run until told to stop."""
    ended = threading.Event()
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
    steps = [subprocess.Popen(["sleep", "1000"], start_new_session=own_session) for own_session in (True, False)]
    ready.write_text(str(os.getpid()))
    ended.wait()
    for step in steps:
        step.terminate()
        step.wait()
    return 0


def main(role: str, argument: str) -> int:
    if role == "api":
        Server(("127.0.0.1", int(argument)), Ready200).serve_forever()
    if role == "dying":
        sys.stderr.write("no such model: canary\n")
        return 3
    if role == "rejected":
        sys.stderr.write('{"event": "a log line"}\n')
        sys.stderr.write(
            "greet/automation.py:3: asyncio.sleep cannot be replayed. Use task.sleep.\n\n Change these lines.\n"
        )
        return 2
    return work(Path(argument), stubborn=role == "stubborn")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Where callbacks go: a small HTTP server that can be down, and remembers every delivery that it acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """`refuses` is what it answers while it is down."""

    url: str = ""
    down: bool = False
    refused: int = 0
    acknowledged: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        if self.down:
            self.refused += 1
            return 503
        self.acknowledged.append((path, headers, body))
        return 204


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run one on a free port of this machine."""
    found = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found.take))
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(take: Callable[[str, Mapping[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(take(self.path, headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler

"""Another system: takes what is posted to it on loopback, and answers what it was told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any


@dataclass
class Received:
    """One call."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def said(self) -> dict[str, Any]:
        """The event."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """What came in, and what is answered: (code, headers, body) by turns, the last one for ever."""

    url: str = ""
    calls: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"thanks")])

    def next_answer(self) -> tuple[int, dict[str, str], bytes]:
        """What the next call gets."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def dripping(first: bytes, drop: bytes, *, most: int = 120) -> Iterator[str]:
    """The address of a server that answers `first`, then `drop` again and again, and after `most` hangs up."""
    is_over = threading.Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            with suppress(OSError):
                self.request.sendall(first)
                for _ in range(most):
                    if is_over.wait(0.05):
                        return
                    self.request.sendall(drop)

    with _served(ThreadingTCPServer(("127.0.0.1", 0), Handler), is_over) as port:
        yield f"http://127.0.0.1:{port}/hook"


@contextmanager
def _served(server: TCPServer, is_over: threading.Event) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            here.calls.append(Received(self.path, headers, body))
            code, extra, text = here.next_answer()
            self.send_response(code)
            for name, value in {"content-length": str(len(text)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler), threading.Event()) as port:
        here.url = f"http://127.0.0.1:{port}/hook"
        yield here

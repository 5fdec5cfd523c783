"""Serving a simulator: inside a process for tests, by gunicorn for everything else."""

from __future__ import annotations

import sys
from threading import Thread
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from werkzeug.serving import WSGIRequestHandler, make_server

from webapp.simulator import app as application
from webapp.simulator.core import Simulator
from webapp.simulator.settings import Settings


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


class Running:
    """A simulator that answers on a free port of this machine until it is closed."""

    def __init__(self, settings: Settings) -> None:
        self.app: Flask = application.create(settings)
        self.sim: Simulator = self.app.extensions["simulator"]
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Looks every few milliseconds whether it is to stop: tests start and stop many.
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.01,), name="simulator-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering and close the books."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.sim.close()


class Server(BaseApplication):
    """One process with many threads: faults, clock and limits live in memory."""

    def __init__(self, settings: Settings, host: str, port: int, threads: int) -> None:
        self._settings = settings
        self._bind = f"{host}:{port}"
        self._threads = threads
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn how to serve."""
        for name, value in {
            "bind": self._bind, "workers": 1, "threads": self._threads, "worker_class": "gthread",
            "keepalive": 75, "timeout": 120, "graceful_timeout": 3, "proc_name": "paydesk-simulator",
            "control_socket_disable": True, "loglevel": "warning",
        }.items():  # fmt: skip
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application, in the worker: threads do not live through a fork."""
        # Requests are short; one must not wait five milliseconds for another's turn to end.
        sys.setswitchinterval(0.0005)
        return application.create(self._settings)

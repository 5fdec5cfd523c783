"""Command lines of the long-running processes, and what each does once it has started."""

from __future__ import annotations

import gc
from pathlib import Path

from webapp import config

# So many new containers before Python looks for cycles among them; by default it looks fifty times as often.
_NEW_OBJECTS = 50_000


def settle() -> None:
    """For a process that has loaded everything it needs: its modules are not looked through for cycles again.

    A page or a file of many rows makes many small objects, nearly all without cycles; looking through them, and
    through all that was loaded at the start, takes a fifth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 10)


def gunicorn_arguments(settings: config.Settings) -> list[str]:
    """The web server's command line after the interpreter."""
    return [
        "-m",
        "gunicorn",
        "wsgi:app",
        # Where the processes keep their counts of requests.
        "--config=python:webapp.operations.gunicorn",
        f"--bind={settings.host}:{settings.port}",
        f"--workers={settings.web_processes}",
        f"--threads={settings.web_threads}",
        "--no-control-socket",
        "--timeout=60",
        "--graceful-timeout=10",
        "--max-requests=20000",
        "--max-requests-jitter=2000",
    ]


def simulator_arguments(port: int, database: Path) -> list[str]:
    """The command line of the simulated payment providers after the interpreter."""
    return [
        "-m",
        "webapp.simulator",
        f"--port={port}",
        f"--database={database}",
        # Accounts of the demo are not those of the providers' test table.
        "--others=succeed",
    ]

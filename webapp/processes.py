"""Command lines of the long-running processes."""

from __future__ import annotations

from pathlib import Path

from webapp import config


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

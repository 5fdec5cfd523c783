"""Command lines of the long-running processes."""

from __future__ import annotations

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

"""Hooks of the web server (`--config=python:webapp.operations.gunicorn`): where its processes keep their counts.

Each process counts in a file of its own, named by a slot that is given again when a process is replaced, so that
there are never more files than processes. Without METRICS_TOKEN nothing is counted.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from webapp.config import load as _load

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SLOT = "PAYDESK_WEB_SLOT"


def on_starting(server: Any) -> None:
    """Begin with an empty folder of counts, before the first process is forked."""
    settings = _load()
    if not settings.metrics_token:
        os.environ.pop(FOLDER, None)
        return
    folder = Path(os.environ.get(FOLDER) or settings.home.resolve() / "metrics" / f"web-{settings.port}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    os.environ[FOLDER] = str(folder)


def pre_fork(server: Any, worker: Any) -> None:
    """Give the new process the lowest slot that no living one has."""
    taken = {getattr(other, "paydesk_slot", -1) for other in server.WORKERS.values()}
    worker.paydesk_slot = next(n for n in range(len(taken) + 1) if n not in taken)


def post_fork(server: Any, worker: Any) -> None:
    """Tell the process its slot, before it loads the application."""
    os.environ[SLOT] = str(worker.paydesk_slot)

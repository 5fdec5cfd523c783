"""`paydesk demo`: the store, the web server, the workers and the scheduler under one supervisor."""

from __future__ import annotations

import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

from webapp import config
from webapp.demo.people import ACCOUNTS, PASSWORD
from webapp.embedded import valkey
from webapp.embedded.supervisor import Child, Supervisor
from webapp.processes import gunicorn_arguments
from webapp.queue import QUEUES


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=3) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _children(settings: config.Settings, store: valkey.Store | None) -> list[Child]:
    python = sys.executable
    children = []
    if store is not None:
        children.append(Child("store", store.command(), "store", is_ready=store.is_ready))
    address = f"http://127.0.0.1:{settings.port}"
    children.append(
        Child("web", [python, *gunicorn_arguments(settings)], "web", is_ready=lambda: _answers(address))
    )
    children += [Child(f"worker-{name}", [python, "-m", "jobs.worker", name], "worker") for name in QUEUES]
    children.append(Child("scheduler", [python, "-m", "jobs.schedule"], "scheduler"))
    return children


def _announce(settings: config.Settings, started: float) -> None:
    lines = [
        "",
        f"Paydesk is ready after {time.monotonic() - started:.0f} s:  {settings.public_url}",
        "",
        f"Sign in with the password {PASSWORD} as",
        *(f"  {email:<32} {name}" for email, name, _ in ACCOUNTS),
        "",
        "Demo data; no money moves. Press Ctrl-C to stop. Logs: " + str(settings.home / "logs"),
        "",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _seed() -> None:
    """Make the tables and the demo data in this process, then let go of the database before children start."""
    from flask_migrate import upgrade

    from webapp.app import create_app
    from webapp.database import db
    from webapp.demo.seed import seed

    app = create_app()
    # The workers find what the seed wrote when they start; nobody is there yet to be rung.
    app.extensions["paydesk_redis"] = None
    with app.app_context():
        upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
        click.echo(seed(say=click.echo))
        db.session.remove()
        db.engine.dispose()


def reset(home: Path) -> None:
    """Throw away the data of a demo in `home`, so that the next start begins anew. Raises SettingsError elsewhere."""
    if os.environ.get("DATABASE_URL"):
        raise config.SettingsError("DATABASE_URL is set: only a demo in PAYDESK_HOME can be begun anew.")
    if not (home / "demo-secrets.json").exists():
        raise config.SettingsError(f"There is no demo in {home}; nothing was removed.")
    if (store := valkey.Store(home)).is_ready():
        raise config.SettingsError(f"The demo in {store.data.parent} is running. Stop it first.")
    for folder in ("valkey", "files", "logs"):
        shutil.rmtree(home / folder, ignore_errors=True)
    for file in home.glob("paydesk.sqlite*"):
        file.unlink()


def run(*, once: bool = False, anew: bool = False) -> int:
    """Run the demo until a signal; returns the exit code. With `once`, stop when everything is up."""
    started = time.monotonic()
    settings = config.load()
    if anew:
        reset(settings.home)
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = None
    if not settings.redis_url:
        store = valkey.Store(settings.home)
        os.environ["REDIS_URL"] = store.url
        settings = config.load()
    # Children read the same settings, wherever they are started.
    os.environ["PAYDESK_HOME"] = str(Path(settings.home).resolve())
    _seed()

    def announce() -> None:
        _announce(settings, started)
        if once:
            os.kill(os.getpid(), 15)

    supervisor = Supervisor(_children(settings, store), log_folder=settings.home / "logs", announce=announce)
    return supervisor.run()

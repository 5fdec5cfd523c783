"""`paydesk demo`: the store, the simulated providers, the web server, workers and scheduler under one supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from webapp import config
from webapp.demo import carepoint_people, griha_people, metrocab_people, partnerbase_people
from webapp.demo.people import ACCOUNTS, PASSWORD
from webapp.embedded import valkey
from webapp.embedded.supervisor import Child, Supervisor
from webapp.processes import gunicorn_arguments, simulator_arguments
from webapp.queue import QUEUES

# The simulated providers answer on the first free port this far above the web server's.
_SIMULATOR_PORTS = range(10, 30)
_LAST_PORT = 65_535


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=3) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_taken(port: int) -> bool:
    """Whether somebody answers at the address that browsers are sent to, by either version of the protocol."""
    try:
        with socket.create_connection(("localhost", port), timeout=0.2):
            return True
    except OSError:
        return False


def _free_port(settings: config.Settings) -> int:
    """A port of this machine that nobody listens on. Raises SettingsError."""
    for port in (settings.port + above for above in _SIMULATOR_PORTS):
        if port <= _LAST_PORT and not _is_taken(port):
            return port
    raise config.SettingsError(f"No port above {settings.port} is free for the simulated payment providers.")


def _tell_simulator(settings: config.Settings, hooks: list[tuple[str, str, str]]) -> None:
    """Name the addresses that the simulated providers send their messages to: (provider, client id, path)."""
    for provider, client_id, path in hooks:
        target = {
            "provider": provider,
            "client_id": client_id,
            "url": f"http://127.0.0.1:{settings.port}{path}",
        }
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{settings.simulator_url.rstrip('/')}/control/target", json.dumps(target).encode()
        )
        try:
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except (urllib.error.URLError, OSError) as problem:
            click.echo(f"The simulated providers do not take the address of their messages: {problem}")


def _children(
    settings: config.Settings, store: valkey.Store | None, simulator_port: int | None = None
) -> list[Child]:
    python = sys.executable
    children = []
    if store is not None:
        children.append(Child("store", store.command(), "store", is_ready=store.is_ready))
    if simulator_port is not None:
        # Stopped after those who call it.
        arguments = simulator_arguments(simulator_port, settings.home / "simulator.sqlite")
        url = settings.simulator_url
        children.append(Child("simulator", [python, *arguments], "store", is_ready=lambda: _answers(url)))
    address = f"http://127.0.0.1:{settings.port}"
    children.append(
        Child("web", [python, *gunicorn_arguments(settings)], "web", is_ready=lambda: _answers(address))
    )
    children += [Child(f"worker-{name}", [python, "-m", "jobs.worker", name], "worker") for name in QUEUES]
    children.append(Child("scheduler", [python, "-m", "jobs.schedule"], "scheduler"))
    return children


def _announce(settings: config.Settings, started: float) -> None:
    accounts = (
        *ACCOUNTS,
        *griha_people.ACCOUNTS,
        *carepoint_people.ACCOUNTS,
        *metrocab_people.ACCOUNTS,
        *partnerbase_people.ACCOUNTS,
    )
    lines = [
        "",
        f"Paydesk is ready after {time.monotonic() - started:.0f} s:  {settings.public_url}",
        "",
        f"Sign in with the password {PASSWORD} as",
        *(f"  {email:<32} {name}" for email, name, _ in accounts),
        "",
        f"Payment providers are simulated:  {settings.simulator_url}",
        "Demo data; no money moves. Press Ctrl-C to stop. Logs: " + str(settings.home / "logs"),
        "",
    ]
    click.echo("\n".join(lines))
    sys.stdout.flush()


def _seed() -> list[tuple[str, str, str]]:
    """Make the tables and the demo data in this process, then let go of the database before children start.

    Returns what `_tell_simulator` takes.
    """
    from flask_migrate import upgrade

    from webapp.app import create_app
    from webapp.connections import queries
    from webapp.connections.rules import PROVIDERS
    from webapp.connections.service import point_at_simulator
    from webapp.database import db
    from webapp.demo.seed import seed

    app = create_app()
    # The workers find what the seed wrote when they start; nobody is there yet to be rung.
    app.extensions["paydesk_redis"] = None
    with app.app_context():
        upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
        click.echo(seed(say=click.echo))
        hooks = [
            (
                account.provider,
                queries.opened(account)["client_id"],
                f"/hooks/{account.provider}/{account.uid}",
            )
            for account in point_at_simulator(app.config["SETTINGS"].simulator_url)
            if PROVIDERS[account.provider].webhook_hint
        ]
        db.session.remove()
        db.engine.dispose()
    return hooks


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep the folder of a demo for this process; another start would take away its store and its simulator.

    The system lets go of the lock however the process ends. Raises SettingsError.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (home / "demo.lock").open("w")
    except OSError as problem:
        raise config.SettingsError(f"The folder {home} cannot be used: {problem}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _running(home) from None
        except OSError as problem:
            raise config.SettingsError(f"The folder {home} cannot be locked: {problem}") from None
        yield


def _running(home: Path) -> config.SettingsError:
    return config.SettingsError(f"The demo in {home} is running. Stop it first.")


def _check_port(port: int) -> None:
    """Refuse to start where another program would answer in the demo's place. Raises SettingsError."""
    if _is_taken(port):
        free = next(n for n in (*range(port + 1, _LAST_PORT + 1), *range(8000, port)) if not _is_taken(n))
        raise config.SettingsError(
            f"Another program listens on port {port}. Set another one, like PORT={free}."
        )


def _check_is_demo(home: Path) -> None:
    """Before anything else: the settings of a demo are made where there are none. Raises SettingsError."""
    if not (home / "demo-secrets.json").exists():
        raise config.SettingsError(f"There is no demo in {home}; nothing was removed.")


def reset(home: Path) -> None:
    """Throw away the data of a demo in `home`, so that the next start begins anew. Raises SettingsError elsewhere."""
    if os.environ.get("DATABASE_URL"):
        raise config.SettingsError("DATABASE_URL is set: only a demo in PAYDESK_HOME can be begun anew.")
    _check_is_demo(home)
    for folder in ("valkey", "files", "logs"):
        shutil.rmtree(home / folder, ignore_errors=True)
    for file in (*home.glob("paydesk.sqlite*"), *home.glob("simulator.sqlite*")):
        file.unlink()


def run(*, once: bool = False, anew: bool = False) -> int:
    """Run the demo until a signal; returns the exit code. With `once`, stop when everything is up."""
    home = config.home()
    if anew:
        _check_is_demo(home)
    with alone(home):
        return _run(once=once, anew=anew)


def _run(*, once: bool, anew: bool) -> int:
    started = time.monotonic()
    settings = config.load()
    # Where a child outlives what started it, the lock is free and the store answers still.
    if not settings.redis_url and valkey.Store(settings.home).is_ready():
        raise _running(settings.home)
    _check_port(settings.port)
    if anew:
        reset(settings.home)
    store = None
    if not settings.redis_url:
        store = valkey.Store(settings.home)
        os.environ["REDIS_URL"] = store.url
        settings = config.load()
    simulator_port = None
    if not settings.simulator_url:
        simulator_port = _free_port(settings)
        os.environ["PAYDESK_SIMULATOR_URL"] = f"http://127.0.0.1:{simulator_port}"
        settings = config.load()
    # Children read the same settings, wherever they are started.
    os.environ["PAYDESK_HOME"] = str(Path(settings.home).resolve())
    hooks = _seed()
    _check_port(settings.port)  # once more: the data took its time

    def announce() -> None:
        _tell_simulator(settings, hooks)
        _announce(settings, started)
        if once:
            os.kill(os.getpid(), 15)

    supervisor = Supervisor(
        _children(settings, store, simulator_port), log_folder=settings.home / "logs", announce=announce
    )
    return supervisor.run()

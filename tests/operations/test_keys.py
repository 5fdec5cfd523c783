"""Field keys are rotated while everybody works; nothing is lost, and a missing key stops it before it begins."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from jobs import base
from tests import factories
from tests.factories.payouts import payout_ready
from webapp import secrets
from webapp.app import create_app
from webapp.audit.models import AuditEvent
from webapp.config import Settings
from webapp.database import Base, db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.operations import commands, keys
from webapp.payouts import service
from webapp.payouts.models import Payout
from webapp.people.access import links, second_factor
from webapp.people.access.models import TotpSecret
from webapp.people.changes import service as changes
from webapp.people.changes.models import MethodChange
from webapp.people.models import PayoutMethod

Change = Callable[..., Settings]
OLD = "t1:" + base64.b64encode(bytes(range(32))).decode()
NEW = "t2:" + base64.b64encode(bytes(range(32, 64))).decode()
COMMAND = factories.FACTORY


def _town(n: int = 3) -> dict[int, dict[str, str]]:
    """Methods, a change that waits and a second factor, all under the old key; the clear details by method."""
    organisation = factories.organisation()
    clear = {}
    for _ in range(n):
        method = factories.method(factories.payee(organisation))
        clear[method.id] = queries_details(method)
    admin = factories.user(organisation=organisation, role="admin")
    with transaction():
        changes.ask(
            organisation_id=organisation.id, payee_id=method.payee_id, destination=factories.destination(),
            source="admin", actor=factories.actor_of(admin), now=utc_now(),
        )  # fmt: skip
        second_factor.begin_setup(user_id=admin.id, now=utc_now())
    return clear


def queries_details(method: PayoutMethod) -> dict[str, str]:
    assert method.details_encrypted is not None
    return secrets.key_ring().decrypt(method.details_encrypted, secrets.binding_of(method.uid)).reveal()


def _rotate(batch: int = 2) -> tuple[keys.Rotation, list[str]]:
    said: list[str] = []
    return keys.rotate(actor=COMMAND, clock=utc_now, say=said.append, batch=batch), said


def _envelopes() -> dict[str, str]:
    db.session.expire_all()
    found = {}
    for column in keys.COLUMNS:
        for row in db.session.execute(select(column.table.c.id, column.envelope)):
            found[f"{column.table.name} {row[0]}"] = row[1]
    db.session.rollback()
    return found


def test_every_encrypted_column_is_known() -> None:
    there = {f"{t.name}.{c.name}" for t in Base.metadata.tables.values() for c in t.columns
             if c.name.endswith("_encrypted")}  # fmt: skip
    assert there == {column.name for column in keys.COLUMNS}


def test_every_row_moves_and_opens_under_the_new_key_alone(database: Flask, set_settings: Change) -> None:
    clear = _town(5)
    seed = secrets.key_ring().decrypt(
        db.session.query(TotpSecret).one().secret_encrypted,
        second_factor.binding_of(db.session.query(TotpSecret).one().uid),
    )
    db.session.rollback()
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    assert {(c.column, c.key_id, c.rows, c.is_first, c.is_known) for c in keys.status()} == {
        ("payout_methods.details_encrypted", "t1", 5, False, True),
        ("method_changes.details_encrypted", "t1", 1, False, True),
        ("totp_secrets.secret_encrypted", "t1", 1, False, True),
    }
    result, said = _rotate()
    assert result.moved == {"payout_methods.details_encrypted": 5, "method_changes.details_encrypted": 1,
                            "totp_secrets.secret_encrypted": 1}  # fmt: skip
    assert (result.changed_meanwhile, result.damaged) == (0, [])
    assert "payout_methods.details_encrypted: 5 rows moved to the key t2" in said
    set_settings(PAYDESK_FIELD_KEYS=NEW)
    assert {(c.key_id, c.is_first) for c in keys.status()} == {("t2", True)}
    for method_id, details in clear.items():
        assert queries_details(db.session.get_one(PayoutMethod, method_id)) == details
    row = db.session.query(TotpSecret).one()
    again = secrets.key_ring().decrypt(row.secret_encrypted, second_factor.binding_of(row.uid))
    assert again.reveal() == seed.reveal()
    change = db.session.query(MethodChange).one()
    from webapp.people.changes import queries as change_queries

    assert change.details_encrypted is not None
    assert (
        secrets.key_ring().decrypt(change.details_encrypted, change_queries.binding_of(change.uid)).reveal()
    )


def test_the_trail_tells_of_it_without_a_secret(database: Flask, set_settings: Change) -> None:
    _town()
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    _rotate()
    event = db.session.query(AuditEvent).filter_by(tag="operations:keys:rotated").one()
    assert event.subject_label == "Field key t2"
    assert event.note == "5 rows were encrypted anew."
    assert base64.b64encode(bytes(range(32, 64))).decode() not in json.dumps(event.changes) + event.note
    db.session.rollback()
    again, _ = _rotate()
    assert again.rows == 0
    assert db.session.query(AuditEvent).filter_by(tag="operations:keys:rotated").count() == 1


def test_a_missing_key_stops_it_before_it_begins(database: Flask, set_settings: Change) -> None:
    _town()
    before = _envelopes()
    set_settings(PAYDESK_FIELD_KEYS=NEW)
    with pytest.raises(Conflict, match="5 rows are under the key t1"):
        _rotate()
    assert _envelopes() == before
    assert not any(count.is_known for count in keys.status())


def test_a_rotation_that_was_stopped_goes_on(database: Flask, set_settings: Change) -> None:
    _town(6)
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")

    class Stopped(BaseException):
        pass

    def stop(_: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        keys.rotate(actor=COMMAND, clock=utc_now, say=stop, batch=2)
    done = {name for name, envelope in _envelopes().items() if envelope.startswith("v1.t2.")}
    assert len(done) == 2
    kept = _envelopes()
    result, _ = _rotate()
    assert result.rows == 6
    assert all(_envelopes()[name] == kept[name] for name in done)
    assert {c.key_id for c in keys.status()} == {"t2"}


def test_what_somebody_changes_meanwhile_is_not_overwritten(
    database: Flask, set_settings: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    _town()
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    ring_before = secrets.KeyRing(list(reversed(secrets.key_ring().keys)), secrets.key_ring().index_key)
    real, raced = keys._move, []

    def race(
        column: keys.EncryptedColumn, ring: secrets.KeyRing, rows: list[Any], result: keys.Rotation
    ) -> int:
        if not raced:
            raced.append(rows[0])
            binding = column.binding_of(rows[0].uid)
            theirs = ring_before.encrypt({"account_number": "newer"}, binding)
            with transaction() as session:
                session.execute(
                    column.table.update()
                    .where(column.table.c.id == rows[0].id)
                    .values({column.column: theirs})
                )
        return real(column, ring, rows, result)

    monkeypatch.setattr(keys, "_move", race)
    result, _ = _rotate(batch=10)
    assert result.changed_meanwhile == 1
    assert {c.key_id for c in keys.status()} == {"t2"}
    method = db.session.get_one(PayoutMethod, raced[0].id, populate_existing=True)
    assert queries_details(method) == {"account_number": "newer"}


def test_damaged_rows_are_named_and_the_others_move(database: Flask, set_settings: Change) -> None:
    clear = _town()
    first, second = sorted(clear)[:2]
    with transaction() as session:
        moved = session.get_one(PayoutMethod, second).details_encrypted
        session.execute(PayoutMethod.__table__.update().where(PayoutMethod.id == first)  # type: ignore[attr-defined]
                        .values(details_encrypted=moved))  # fmt: skip
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    result, _ = _rotate()
    assert result.damaged == [f"payout_methods.details_encrypted {first}"]
    assert result.rows == 4
    run = CliRunner().invoke(commands.keys, ["rotate"])
    assert run.exit_code == 1
    assert f"1 rows cannot be read: payout_methods.details_encrypted {first}" in run.output


def test_payouts_go_on_in_the_middle_of_a_rotation(database: Flask, set_settings: Change) -> None:
    organisation = factories.organisation()
    made = [payout_ready(organisation, now=utc_now()) for _ in range(4)]
    organisation_id, references = organisation.id, [p.reference for p in made]
    db.session.rollback()
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    waiting = iter(references)

    def pay_one(_: str) -> None:
        if reference := next(waiting, None):
            with transaction():
                service.submit(
                    organisation_id=organisation_id, reference=reference, actor=COMMAND, now=utc_now()
                )
            base.drain_here("money")

    keys.rotate(actor=COMMAND, clock=utc_now, say=pay_one, batch=1)
    with time_machine.travel(utc_now() + timedelta(minutes=5), tick=False):
        base.drain_here("money")
    db.session.expire_all()
    assert [db.session.query(Payout).filter_by(reference=r).one().state for r in references] == ["paid"] * 4


def test_the_commands_say_what_to_do(database: Flask, set_settings: Change) -> None:
    _town()
    runner = CliRunner()
    status = runner.invoke(commands.keys, ["status"])
    assert status.exit_code == 0
    assert "Every row is under the first key" in status.output
    set_settings(PAYDESK_FIELD_KEYS=f"{NEW},{OLD}")
    assert "paydesk keys rotate" in runner.invoke(commands.keys, ["status"]).output
    assert "5 rows moved to the key t2." in runner.invoke(commands.keys, ["rotate"]).output
    set_settings(PAYDESK_FIELD_KEYS=OLD)
    missing = runner.invoke(commands.keys, ["status"])
    assert missing.exit_code == 1
    assert "MISSING" in missing.output
    listed = json.loads(runner.invoke(commands.keys, ["status", "--json"]).output)
    assert {row["key_id"] for row in listed} == {"t2"}


# ---- the key of sessions and links


def _with(database: Flask, **names: object) -> Flask:
    old: Settings = database.config["SETTINGS"]
    values = {str(f.alias): getattr(old, n) for n, f in Settings.model_fields.items()}
    app = create_app(Settings(**{**values, **names}))
    app.config.update(WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    return app


NEWER = "another-secret-key-of-more-than-thirty-two-characters"


def test_sessions_and_links_live_through_a_new_secret_key(database: Flask) -> None:
    organisation = factories.organisation()
    admin = factories.user(organisation=organisation, role="admin")
    browser = database.test_client()
    factories.sign_in(browser, admin, organisation)
    with transaction():
        link = links.create_reset(user_id=admin.id, actor=COMMAND, now=utc_now())
        token = links.token_of(link)
    old_key = database.config["SETTINGS"].secret_key
    cookie = browser.get_cookie("paydesk")
    assert cookie is not None

    def answers(app: Flask) -> tuple[int, bool]:
        visitor = app.test_client()
        visitor.set_cookie("paydesk", cookie.value)
        status = visitor.get("/admin/payouts").status_code
        with app.app_context():
            found = links.find(token, utc_now()) is not None
            db.session.remove()
            db.engine.dispose()
        return status, found

    assert answers(_with(database, SECRET_KEY=NEWER, SECRET_KEY_FALLBACKS=old_key)) == (200, True)
    assert answers(_with(database, SECRET_KEY=NEWER)) == (302, False)

"""The roles of deploy/postgresql-roles.sql on a real server: the program works with rows alone, and cannot do more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from tests import factories
from tests.factories import installations
from tests.factories.tokens import Api, token
from tests.rooms.payouts.rails import ScriptedRail
from tests.support import postgres
from webapp.app import create_app
from webapp.audit import queries as audit
from webapp.config import Settings
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.ledger import check
from webapp.payouts import execution
from webapp.payouts.models import Transfer
from webapp.providers import registry
from webapp.providers.ports import Outcome

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def _statements(name: str, prefix: str) -> str:
    """A file of deploy/ with role names that no other test uses."""
    return re.sub(r"\bpaydesk_(owner|app)\b", rf"{prefix}_\1", (DEPLOY / name).read_text())


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[postgres.Server, str]]:
    """A server with an empty database in which the roles were made; answers its name, which begins the roles'."""
    server = postgres.start()
    name = f"rights_{uuid4().hex[:10]}"
    server.create_database(name)
    try:
        with psycopg.connect(host=str(server.folder), user="postgres", dbname=name, autocommit=True) as made:
            made.execute(_statements("postgresql-roles.sql", name))
        yield server, name
    finally:
        server.drop_database(name)
        with psycopg.connect(
            host=str(server.folder), user="postgres", dbname="postgres", autocommit=True
        ) as c:
            for role in ("owner", "app"):
                c.execute(f"DROP ROLE IF EXISTS {name}_{role}")
        server.stop()


def _url(place: tuple[postgres.Server, str], role: str) -> str:
    server, name = place
    return server.url_for(name).replace("://postgres@", f"://{name}_{role}@")


@pytest.fixture(scope="module")
def installed(place: tuple[postgres.Server, str], settings: Settings) -> Iterator[Flask]:
    """The tables, made by the owner; the program, which works as the other role."""
    owner = create_app(settings.model_copy(update={"database_url": _url(place, "owner")}))
    with owner.app_context():
        upgrade(directory=str(owner.config["MIGRATIONS_FOLDER"]))
        with db.engine.begin() as connection:
            connection.execute(text(_statements("postgresql-append-only.sql", place[1])))
        db.engine.dispose()
    program = create_app(settings.model_copy(update={"database_url": _url(place, "app")}))
    program.config.update(WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    with program.app_context():
        yield program
        db.session.remove()
        db.engine.dispose()


@pytest.mark.slow
def test_a_payout_from_its_making_to_the_bank_as_the_role_of_the_program(installed: Flask) -> None:
    home = factories.organisation()
    names = ("maker", "approver")
    makers = [factories.user(f"{n}@rights.example", organisation=home, role="admin") for n in names]
    payee = factories.payee(home)
    factories.method(payee)
    with transaction():
        installations.rate(home)
    due = installations.installation(home, payee).reference
    maker, approver = (Api(installed, token(one, home)) for one in makers)
    made = maker.post("/payouts", {"payee": payee.reference, "installations": [due]})
    assert made.status_code == 201, made.text
    path, details = f"/payouts/{made.json['reference']}", made.json["payment_details"]["version"]
    seen = {"version": made.json["version"], "seen_details_version": details}
    assert approver.post(f"{path}/approve", seen).status_code == 200
    assert approver.post(f"{path}/pay", {}).status_code == 200
    db.session.rollback()
    transfer_id = db.session.query(Transfer).one().id
    db.session.rollback()
    with registry.using("sandbox", ScriptedRail([Outcome.SUCCEEDED], [Outcome.SUCCEEDED])):
        execution.send(transfer_row_id=transfer_id, clock=utc_now)
    assert maker.get(path).json["state"] == "paid"
    client = installed.test_client()
    factories.sign_in(client, makers[0], home)
    for page in ("/admin", "/admin/payouts", f"/admin{path}", "/admin/users", "/admin/activity"):
        assert client.get(page, follow_redirects=True).status_code == 200, page
    assert check.run(home.id).findings == []
    assert audit.verify(home.id).is_intact
    db.session.rollback()


REFUSED = {
    "drop a trigger": "DROP TRIGGER {trigger} ON {table}",
    "switch triggers off": "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "switch them off for the session": "SET session_replication_role = replica",
    "replace what a trigger does": "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NULL; END'",
    "drop a table": "DROP TABLE postings",
    "drop everything": "DROP SCHEMA public CASCADE",
    "alter a table": "ALTER TABLE users ADD COLUMN back_door text",
    "make a table": "CREATE TABLE mine (id int)",
    "make a function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "empty the ledger": "TRUNCATE postings CASCADE",
    "empty the trail": "TRUNCATE audit_events",
    "change the trail": "UPDATE audit_events SET note = ''",
    "delete from the trail": "DELETE FROM audit_events",
    "change what was booked": "UPDATE postings SET amount_minor = 0",
    "delete what was booked": "DELETE FROM postings",
    "delete an entry": "DELETE FROM journal_entries",
    "change what the bank said": "UPDATE transfer_events SET source = ''",
    "say that tables are others": "UPDATE alembic_version SET version_num = '0'",
    "make a role": "CREATE ROLE mine SUPERUSER",
    "become the superuser": "SET ROLE postgres",
    "become the owner": "SET ROLE {owner}",
    "run a program": "COPY users TO PROGRAM 'cat'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "write a file": "COPY users TO '/tmp/users'",
    "make a database": "CREATE DATABASE mine",
    "change the server": "ALTER SYSTEM SET fsync = off",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", REFUSED)
def test_what_the_role_of_the_program_cannot_do(
    installed: Flask, place: tuple[postgres.Server, str], what: str
) -> None:
    # Each statement stands alone, so that those that refuse to run in a transaction are tried, too.
    engine = create_engine(_url(place, "app"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            row = connection.execute(
                text("SELECT tgname, tgrelid::regclass::text, proname FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid "
                     "WHERE NOT tgisinternal AND tgrelid = 'audit_events'::regclass LIMIT 1")
            ).one()  # fmt: skip
            names = {"trigger": row[0], "table": row[1], "function": row[2], "owner": f"{place[1]}_owner"}
            with pytest.raises(ProgrammingError, match="InsufficientPrivilege"):
                connection.execute(text(REFUSED[what].format(**names)))
    finally:
        engine.dispose()


@pytest.mark.slow
def test_neither_role_is_more_than_it_must_be(installed: Flask, place: tuple[postgres.Server, str]) -> None:
    engine = create_engine(_url(place, "app"))
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
                 "WHERE rolname IN (:app, :owner)"), {"app": f"{place[1]}_app", "owner": f"{place[1]}_owner"}
        ).all()  # fmt: skip
        owned = connection.execute(
            text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> :owner"),
            {"owner": f"{place[1]}_owner"},
        ).scalar_one()
    engine.dispose()
    assert [tuple(row) for row in rows] == [(False,) * 5] * 2
    assert owned == 0

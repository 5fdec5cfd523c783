"""The PostgreSQL of the tests: separate databases, copies of a template, no traces."""

import sys

import psycopg
import pytest
from sqlalchemy import create_engine

from tests.support import emptying, postgres


@pytest.fixture(scope="module")
def server():
    running = postgres.start()
    yield running
    running.stop()


def connect(server, name):
    return psycopg.connect(host=str(server.folder), user="postgres", dbname=name)


def test_a_copy_has_the_template_s_rows_although_somebody_is_connected_to_it(server):
    server.create_database("original")
    with connect(server, "original") as connection:
        connection.execute("CREATE TABLE words (word text)")
        connection.execute("INSERT INTO words VALUES ('paid')")
    left_open = connect(server, "original")
    server.create_database("copy", template="original")
    with connect(server, "copy") as connection:
        assert connection.execute("SELECT word FROM words").fetchall() == [("paid",)]
    left_open.close()
    server.drop_database("copy")
    server.drop_database("original")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(server, "copy")


def test_dropping_a_database_that_is_not_there_is_nothing(server):
    server.drop_database("never_made")


def test_url_is_the_one_that_sqlalchemy_takes(server):
    server.create_database("by_url")
    engine = create_engine(server.url_for("by_url"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT current_database()").scalar() == "by_url"
    engine.dispose()
    server.drop_database("by_url")


def test_a_shared_server_is_attached_to_and_not_stopped(server, monkeypatch):
    monkeypatch.setenv(postgres.SHARED, str(server.folder))
    attached = postgres.start()
    attached.create_database("seen_by_both")
    attached.stop()
    server.drop_database("seen_by_both")
    with connect(server, "postgres") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_stopping_leaves_nothing_behind(monkeypatch):
    monkeypatch.delenv(postgres.SHARED, raising=False)
    own = postgres.start()
    folder = own.folder.parent
    assert folder.exists()
    own.stop()
    assert not folder.exists()
    own.stop()


def test_a_command_runs_with_a_server_and_hands_back_its_code(monkeypatch):
    monkeypatch.delenv(postgres.SHARED, raising=False)
    code = "from tests.support import postgres; s = postgres.start(); s.create_database('x'); raise SystemExit(7)"
    assert postgres.main([sys.executable, "-c", code]) == 7


@pytest.fixture
def emptied(server):
    """A database with what the migrations write, a row of a test, and a table that nobody may delete from."""
    database = emptying.Emptied(server, "emptied")
    with connect(server, "emptied") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.execute(
            "CREATE TABLE words (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text)"
        )
        connection.execute("CREATE TABLE uses (word_id bigint REFERENCES words)")
        connection.execute("CREATE RULE kept AS ON UPDATE TO words DO INSTEAD NOTHING")
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER no_delete BEFORE DELETE ON words FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    database.freeze()
    yield database
    database.drop()


def write(server, *statements):
    with connect(server, "emptied") as connection:
        for statement in ("INSERT INTO words (word) VALUES ('paid')", *statements):
            connection.execute(statement)


def oid(server):
    with connect(server, "postgres") as connection:
        return connection.execute("SELECT oid FROM pg_database WHERE datname = 'emptied'").fetchone()


def test_rows_of_a_test_are_deleted_and_numbers_begin_again(server, emptied):
    emptied.reset()
    before = oid(server)
    for _ in range(3):
        write(server, "INSERT INTO uses VALUES (1)")
        emptied.reset()
        with connect(server, "emptied") as connection:
            assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM uses").fetchone() == (0,)
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    write(server)
    with connect(server, "emptied") as connection:
        assert connection.execute("SELECT id, word FROM words").fetchall() == [(1, "paid")]
        with pytest.raises(psycopg.errors.RaiseException, match="never"):
            connection.execute("DELETE FROM words")
    assert oid(server) == before


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER no_delete ON words",
        "ALTER TABLE words DISABLE TRIGGER no_delete",
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
        "ALTER TABLE words ADD COLUMN tongue text",
        "ALTER TABLE words ALTER COLUMN word SET NOT NULL",
        "CREATE INDEX ON words (word)",
        "CREATE TABLE more (n int)",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = '0002'",
        "INSERT INTO alembic_version VALUES ('0002')",
        "DROP RULE kept ON words",
        "ANALYZE words",
    ],
)
def test_whoever_does_more_than_write_rows_gets_a_new_copy(server, emptied, change):
    emptied.reset()
    before = oid(server)
    write(server, change)
    emptied.reset()
    assert oid(server) != before
    with connect(server, "emptied") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        connection.execute("INSERT INTO words (word) VALUES ('paid')")
        with pytest.raises(psycopg.errors.RaiseException, match="never"):
            connection.execute("DELETE FROM words")


def test_somebody_who_is_still_writing_is_dropped(server, emptied):
    left_open = connect(server, "emptied")
    left_open.execute("INSERT INTO words (word) VALUES ('late')")
    emptied.reset()
    with pytest.raises(psycopg.OperationalError):
        left_open.commit()
    with connect(server, "emptied") as connection:
        assert connection.execute("SELECT count(*) FROM words").fetchone() == (0,)


def test_dead_rows_do_not_pile_up(server, emptied):
    before = oid(server)
    for _ in range(2):
        write(server, "INSERT INTO words (word) SELECT 'many' FROM generate_series(1, 5000)")
        emptied.reset()
    assert oid(server) != before


def test_what_was_kept_is_put_back_with_its_numbers(server, emptied):
    emptied.reset()
    write(server, "INSERT INTO words (word) VALUES (NULL)", "INSERT INTO uses VALUES (2)")
    kept = emptied.keep()
    for _ in range(2):
        emptied.reset()
        emptied.put_back(kept)
        with connect(server, "emptied") as connection:
            connection.execute("INSERT INTO words (word) VALUES ('new')")
            words = connection.execute("SELECT id, word FROM words ORDER BY id").fetchall()
            assert words == [(1, "paid"), (2, None), (3, "new")]
            assert connection.execute("SELECT word_id FROM uses").fetchall() == [(2,)]
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
            with pytest.raises(psycopg.errors.RaiseException, match="never"):
                connection.execute("DELETE FROM words")

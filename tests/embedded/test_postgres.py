"""The PostgreSQL of the tests: separate databases, copies of a template, no traces."""

import sys

import psycopg
import pytest
from sqlalchemy import create_engine

from tests.support import postgres


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

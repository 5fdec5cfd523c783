"""`paydesk reconcile`: a file from the command line, a dry run, a long file that a worker compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select

from tests.rooms.reconciliation.world import NOW, Entry, World, camt, world
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, PaydeskError
from webapp.reconciliation import queries, service, work
from webapp.reconciliation.commands import reconcile
from webapp.reconciliation.models import StatementFile, StatementLine
from webapp.runs import service as runs
from webapp.runs.models import Run


@pytest.fixture
def place(database: Flask) -> World:
    """An organisation."""
    return world()


def call(*words: str) -> str:
    """Run the command; what it printed."""
    result = CliRunner().invoke(reconcile, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_file_is_looked_at_then_compared_once(place: World, tmp_path: Path) -> None:
    transfer = place.paid(1_000)
    file = tmp_path / "a.xml"
    file.write_bytes(camt([Entry(-1_000, end_to_end=transfer.transfer_id), Entry(-5, text="Fee")]))
    words = ("--organisation", "solaria", str(file), "--json")
    looked = json.loads(call(*words, "--dry-run"))
    assert (looked["run"], looked["counts"]["matched"], looked["counts"]["theirs_only"]) == ("", 1, 1)
    assert db.session.scalar(select(StatementLine)) is None
    done = json.loads(call(*words))
    assert done["run"] == "CM-0001"
    assert done["balances"] == [
        {"currency": "USD", "ours": "-10.00", "theirs": "-10.05", "difference": "-0.05"}
    ]
    with pytest.raises(Conflict, match="compared already"):
        call(*words)
    assert "1 findings wait" not in call("--organisation", "solaria", "--status")


def test_a_list_needs_columns_that_somebody_said(place: World, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("When,What,Sum\n2026-11-20,Fee,-5.00\n")
    with pytest.raises(PaydeskError, match="which column"):
        call("--organisation", "solaria", str(file))
    with pytest.raises(PaydeskError, match="no saved columns"):
        call("--organisation", "solaria", str(file), "--columns", "X")


def test_a_long_file_is_compared_by_a_worker(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "AT_ONCE", 1)
    reference = work.take(
        organisation=place.organisation, file_name="a.xml", data=camt([Entry(-1, "A"), Entry(-2, "B")]), wanted="",
        provider="", actor=place.actor, now=NOW,
    )  # fmt: skip
    done = work.start(
        organisation=place.organisation, reference=reference, switch=False, expected_version=None,
        actor=place.actor, now=NOW,
    )  # fmt: skip
    assert done == ""
    assert queries.get_file(place.organisation.id, reference).state == "queued"
    runs.step(run_id=db.session.scalars(select(Run)).one().id, clock=lambda: NOW)
    db.session.expire_all()
    assert queries.get_file(place.organisation.id, reference).state == "done"
    assert len(place.lines()) == 2


def test_a_file_that_was_compared_cannot_be_dropped(place: World) -> None:
    place.compare(camt([Entry(-1, "A")]))
    reference = db.session.scalars(select(StatementFile)).one().reference
    with pytest.raises(Conflict), transaction():
        service.drop_file(
            organisation_id=place.organisation.id, reference=reference, actor=place.actor, now=NOW
        )

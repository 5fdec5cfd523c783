"""The bank's statement behind the provider's account, beside our books: what only one of them has is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from tests import factories
from tests.factories.people import actor_of
from tests.rooms.reconciliation.world import Entry, camt
from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.payouts import hooks
from webapp.payouts.models import Transfer
from webapp.people.models import Organisation
from webapp.reconciliation import work
from webapp.reconciliation.models import Finding
from webapp.simulator.core import Simulator


def problems(sim: Simulator, organisation_id: int) -> Iterator[str]:
    """Compare the whole statement; lines without a transfer and payments without a line must be findings."""
    lines = [dict(row) for row in sim.store.read("SELECT * FROM statement ORDER BY id")]
    moved = [dict(row) for row in sim.store.read("SELECT * FROM movements ORDER BY id")]
    if not moved:
        return
    days = [datetime.fromtimestamp(row["at"] / 1000, UTC).date() for row in (*lines, *moved)]
    entries = [
        Entry(row["amount_minor"], row["utr"], row["subject"], row["text"],
              on=datetime.fromtimestamp(row["at"] / 1000, UTC).date())
        for row in lines
    ]  # fmt: skip
    data = camt(entries, currency="INR", on=max(days) + timedelta(days=3), since=min(days))
    organisation = db.session.get_one(Organisation, organisation_id)
    actor = actor_of(factories.user(organisation=organisation, role="admin"))
    reference = work.take(
        organisation=organisation, file_name="statement.xml", data=data, wanted="", provider=hooks.RAIL,
        actor=actor, now=utc_now(),
    )  # fmt: skip
    work.start(
        organisation=organisation, reference=reference, switch=False, expected_version=None, actor=actor,
        now=utc_now(),
    )  # fmt: skip
    yield from _compare(lines, moved, organisation_id)


def _compare(
    lines: list[dict[str, object]], moved: list[dict[str, object]], organisation_id: int
) -> Iterator[str]:
    found = db.session.scalars(
        select(Finding).where(Finding.organisation_id == organisation_id, Finding.source == "bank")
    ).all()
    theirs = Counter(f.kind for f in found)["theirs_only"]
    ghosts = sum(not row["subject"] for row in lines)
    if theirs < ghosts:
        yield f"{ghosts} lines of the statement have no transfer, {theirs} were found"
    numbers = dict(db.session.execute(select(Transfer.transfer_id, Transfer.id)).all())
    shown = {row["subject"] for row in lines}
    missing = {numbers[str(row["subject"])] for row in moved if row["subject"] not in shown}
    settled = set(
        db.session.scalars(select(Transfer.id).where(Transfer.state.in_(["succeeded", "reversed"])))
    )
    named = {f.transfer_id for f in found if f.kind == "ours_only"}
    if missed := (missing & settled) - named:
        yield f"{len(missed)} payments are on no statement, and nobody was told"
    db.session.rollback()

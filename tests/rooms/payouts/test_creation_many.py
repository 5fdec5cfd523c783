"""Payouts made at once leave what making them one by one leaves: rows, trail, entries, mails."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories.people import FACTORY, actor_of
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.ledger import check
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.outbox.models import OutboxMessage
from webapp.payouts import queries, service
from webapp.payouts.creation_many import PayoutDraft, create_many
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Approval, ApprovalExclusion, Payout, PayoutLine, SourceClaim
from webapp.payouts.policy import default_rules
from webapp.people.models import Organisation, Payee

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
#: Nobody can foretell these, and they say nothing.
IDS = {
    "id", "organisation_id", "payee_id", "payout_id", "method_id", "fingerprint", "content_digest", "hash",
    "previous_hash", "seq", "chain", "subject_id", "entry_id", "account_id", "source_id", "user_id",
    "reference_id", "leased_by",
}  # fmt: skip


def _organisation(**rules: Any) -> Organisation:
    organisation = factories.organisation()
    wanted = {**default_rules(organisation.currency), **rules}
    with transaction():
        service.change_policy(organisation_id=organisation.id, rules=wanted, actor=FACTORY, now=NOW)
    return organisation


def _drafts(organisation: Organisation) -> list[PayoutDraft]:
    """One that the policy approves, one too large, one without details, one that a person had a hand in."""
    imported = factories.user(organisation=organisation, role="admin")
    drafts = []
    for n, (amount, has_method, by_hand) in enumerate(
        [(499_50, True, False), (20_000_00, True, False), (120_00, False, False), (80_00, True, True)]
    ):
        payee = factories.payee(organisation, name=f"Technician {n}")
        if has_method:
            factories.method(payee)
        lines = [
            LineDraft(
                "earning", "Work", amount + 10_00, date(2026, 11, 3), source_type="job", source_id=n + 1
            ),
            LineDraft("deduction", "Tools", -10_00),
        ]
        exclusions = [ExclusionDraft(imported.id, "imported the job")] * 2 if by_hand else []
        drafts.append(
            PayoutDraft(
                payee, organisation.currency, lines, [SourceDraft("job", n + 1)], date(2026, 11, 1), date(2026, 11, 30),
                "expense:installations", f"key:{n}", exclusions, is_automatic=not by_hand,
            )
        )  # fmt: skip
    return drafts


def _one_by_one(organisation: Organisation, drafts: list[PayoutDraft]) -> None:
    with transaction():
        for draft in drafts:
            service.create(
                organisation_id=organisation.id, program="installations", payee_id=draft.payee.id,
                currency=draft.currency, lines=draft.lines, sources=draft.sources, period_start=draft.period_start,
                period_end=draft.period_end, cost_account=draft.cost_account, exclusions=draft.exclusions,
                is_automatic=draft.is_automatic, idempotency_key=draft.idempotency_key, actor=FACTORY, now=NOW,
            )  # fmt: skip


def _at_once(organisation: Organisation, drafts: list[PayoutDraft]) -> list[int]:
    with transaction():
        return create_many(
            organisation_id=organisation.id, program="installations", drafts=drafts, actor=FACTORY, now=NOW
        )


def _plain(row: Any) -> dict[str, Any]:
    """A row without ids; in texts, too, where they are part of a key."""
    found = {}
    for column in type(row).__table__.c.keys():  # noqa: SIM118 - columns, not a dict
        value = getattr(row, column)
        if isinstance(value, str):
            value = re.sub(r"(?<=[a-z]:)\d+", "n", value)
        if column == "changes":
            value = {key: "bound" if key == "fingerprint" else said for key, said in value.items()}
        if column not in IDS:
            found[column] = value
    return found


def _seen(organisation: Organisation) -> dict[str, list[Any]]:
    """All that payouts leave, in the order of the payouts."""
    payouts = db.session.scalars(
        select(Payout).where(Payout.organisation_id == organisation.id).order_by(Payout.id)
    ).all()
    ids = [payout.id for payout in payouts]
    found: dict[str, list[Any]] = {"payouts": [_plain(payout) for payout in payouts]}
    for model in (PayoutLine, SourceClaim, ApprovalExclusion, Approval):
        rows = db.session.scalars(
            select(model).where(model.payout_id.in_(ids)).order_by(model.payout_id, model.id)
        )
        found[model.__tablename__] = [_plain(row) for row in rows]
    for model in (AuditEvent, JournalEntry, OutboxMessage):
        rows = db.session.scalars(
            select(model).where(model.organisation_id == organisation.id).order_by(model.id)
        )
        said = [_plain(row) for row in rows]
        found[model.__tablename__] = [row for row in said if row.get("subject_type", "payout") == "payout"]
    found["postings"] = [
        tuple(row)
        for row in db.session.execute(
            select(Account.code, Posting.amount_minor, Posting.balance_after_minor)
            .join(Account, Account.id == Posting.account_id)
            .where(Account.organisation_id == organisation.id)
            .order_by(Posting.id)
        )
    ]
    return found


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"paid_by_itself": ["installations"]},
        {"paid_by_itself": ["installations"], "cut_off": {"installations": "17:30"}},
    ],
)
def test_at_once_is_as_one_by_one(rules: dict[str, Any]) -> None:
    first, second = _organisation(**rules), _organisation(**rules)
    _one_by_one(first, _drafts(first))
    drafts = _drafts(second)
    ids = _at_once(second, drafts)
    one_by_one, at_once = _seen(first), _seen(second)
    # Outbox rows come in no order that means anything.
    for found in (one_by_one, at_once):
        name = OutboxMessage.__tablename__
        found[name] = sorted(map(str, found[name]))
    assert at_once == one_by_one
    rows = [db.session.get_one(Payout, id_) for id_ in ids]
    assert [row.state for row in rows] == ["approved", *["pending_approval"] * 3]
    assert [row.payee_id for row in rows] == [draft.payee.id for draft in drafts]
    method = rows[0].payee.current_method
    assert method is not None
    assert (rows[0].method_id, rows[0].fingerprint) == (method.id, queries.fingerprint_of(rows[0], method))
    assert check.run(second.id).findings == []


def test_where_one_person_is_alone_nothing_goes_by_the_policy() -> None:
    organisation = _organisation(single_operator={"is_on": True, "delay_hours": 12, "daily_cap_minor": None})
    ids = _at_once(organisation, _drafts(organisation))
    assert {db.session.get_one(Payout, id_).state for id_ in ids} == {"pending_approval"}


def _other_payee(draft: PayoutDraft) -> PayoutDraft:
    return replace(draft, payee=factories.payee(factories.organisation()))


def _switched_off(draft: PayoutDraft) -> PayoutDraft:
    with transaction():
        db.session.get_one(Payee, draft.payee.id).is_active = False
    return draft


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_other_payee, NotFound),
        (_switched_off, Invalid),
        (lambda draft: replace(draft, lines=[]), Invalid),
        (lambda draft: replace(draft, lines=[LineDraft("earning", "x", -1)]), Invalid),
        (lambda draft: replace(draft, lines=[LineDraft("gift", "x", 1)]), Invalid),
        (lambda draft: replace(draft, period_end=date(2026, 10, 1)), Invalid),
    ],
)
def test_one_that_is_refused_stops_all(spoil: Any, error: type[Exception]) -> None:
    organisation = _organisation()
    drafts = _drafts(organisation)
    drafts[2] = spoil(drafts[2])
    with pytest.raises(error):
        _at_once(organisation, drafts)
    assert db.session.query(Payout).count() == 0


def test_less_than_the_smallest_payout_is_refused_as_one_by_one() -> None:
    organisation = _organisation(minimum_minor=100_00)
    drafts = [replace(draft, is_automatic=True) for draft in _drafts(organisation)]
    with pytest.raises(Invalid, match=r"Technician 3 has less than the smallest payout"):
        _at_once(organisation, drafts)


def test_a_record_is_paid_once_and_the_payout_that_has_it_is_named() -> None:
    organisation = _organisation()
    drafts = _drafts(organisation)
    ids = _at_once(organisation, drafts[:1])
    reference = db.session.get_one(Payout, ids[0]).reference
    again = [drafts[1], replace(drafts[0], idempotency_key="another")]
    with pytest.raises(Conflict, match=f"job 1 is in {reference}"):
        _at_once(organisation, again)
    twice = [drafts[1], replace(drafts[1], idempotency_key="another")]
    with pytest.raises(Conflict, match="paid by another payout"):
        _at_once(organisation, twice)
    assert db.session.query(Payout).count() == 1


def test_once_dropped_its_record_can_be_paid_again() -> None:
    organisation = _organisation()
    drafts = _drafts(organisation)
    ids = _at_once(organisation, drafts[1:2])
    boss = factories.user(organisation=organisation, role="admin")
    with transaction():
        service.reject(
            organisation_id=organisation.id, reference=db.session.get_one(Payout, ids[0]).reference, reason="x",
            actor=actor_of(boss), now=NOW,
        )  # fmt: skip
    assert len(_at_once(organisation, [replace(drafts[1], idempotency_key="another")])) == 1

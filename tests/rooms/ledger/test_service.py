"""Posting: balances, repeats, minimum balances, reversal; one by one and in bulk."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests import factories
from tests.factories.ledger import ACTOR, NOW, draft, entry, leg
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.ledger import service
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.ledger.posting import UnbalancedEntry


@pytest.fixture
def organisation_id(database: Flask) -> int:
    """An organisation."""
    return factories.organisation().id


def balances(organisation_id: int) -> dict[str, int]:
    """Balance by code, as kept on the accounts."""
    db.session.rollback()
    return {a.code: a.balance_minor for a in db.session.scalars(
        select(Account).where(Account.organisation_id == organisation_id))}  # fmt: skip


def count(model: type) -> int:
    """Number of rows."""
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_balances_are_on_the_normal_side(organisation_id: int) -> None:
    with transaction():
        made = entry(organisation_id, "k1", leg("expense:installations", 500), leg("payable:TE-1", -500))
        assert (made.legs, made.legs_missing, made.imbalance) == (2, 0, 0)
    assert balances(organisation_id) == {"expense:installations": 500, "payable:TE-1": 500}
    account = db.session.scalars(select(Account).where(Account.code == "payable:TE-1")).one()
    assert (account.type, account.normal_side, account.minimum_balance_minor) == ("liability", -1, 0)
    assert account.name == "Payable to TE-1"


def test_each_posting_keeps_the_balance_after_it(organisation_id: int) -> None:
    with transaction():
        entry(organisation_id, "k1", leg("bank", 700), leg("wallet:organisation", -700))
        entry(organisation_id, "k2", leg("wallet:organisation", 300), leg("bank", -300))
    rows = db.session.execute(
        select(Account.code, Posting.balance_after_minor).join(Account, Account.id == Posting.account_id)
        .order_by(Posting.id)).all()  # fmt: skip
    assert [tuple(r) for r in rows] == [
        ("bank", 700), ("wallet:organisation", 700), ("wallet:organisation", 400), ("bank", 400)]  # fmt: skip


def test_a_loaded_account_shows_the_new_balance(organisation_id: int) -> None:
    with transaction():
        entry(organisation_id, "k1", leg("bank", 700), leg("wallet:organisation", -700))
        bank = db.session.scalars(select(Account).where(Account.code == "bank")).one()
        entry(organisation_id, "k2", leg("bank", 50), leg("wallet:organisation", -50))
        assert (bank.balance_minor, bank.version) == (750, 2)


def test_the_same_key_with_the_same_content_returns_the_entry(organisation_id: int) -> None:
    legs = (leg("bank", 500), leg("income:fee", -500))
    with transaction():
        first = entry(organisation_id, "k1", *legs).id
    with transaction():
        assert entry(organisation_id, "k1", *legs).id == first
    assert (count(JournalEntry), count(Posting)) == (1, 2)
    assert balances(organisation_id) == {"bank": 500, "income:fee": 500}


@pytest.mark.parametrize(
    "changes", [{"currency": "INR"}, {"description": "Other"}, {"effective_on": date(2026, 11, 21)},
                {"source_id": 2}, {"kind": "test.other"}])  # fmt: skip
def test_the_same_key_with_other_content_is_refused(organisation_id: int, changes: dict[str, object]) -> None:
    legs = (leg("bank", 500), leg("income:fee", -500))
    with transaction():
        entry(organisation_id, "k1", *legs)
    with pytest.raises(Conflict, match="k1"), transaction():
        entry(organisation_id, "k1", *legs, **changes)
    assert (count(JournalEntry), count(Posting)) == (1, 2)


def test_a_key_belongs_to_its_organisation(organisation_id: int) -> None:
    other = factories.organisation(slug="other").id
    with transaction():
        entry(organisation_id, "k1", leg("bank", 1), leg("income:fee", -1))
        entry(other, "k1", leg("bank", 2), leg("income:fee", -2))
    assert balances(organisation_id)["bank"] == 1
    assert balances(other)["bank"] == 2


@pytest.mark.parametrize("amounts", [(5,), (5, -4), (5, -5, 0), (), (True, -1), (5.0, -5.0)])
def test_what_is_no_entry_is_refused(organisation_id: int, amounts: tuple[int, ...]) -> None:
    with pytest.raises(UnbalancedEntry), transaction():
        entry(organisation_id, "k1", *(leg("bank", amount) for amount in amounts))
    assert count(JournalEntry) == 0


@pytest.mark.parametrize("code", ["petty_cash", "bank:7", "payable", "payable:", "wallet: "])
def test_an_account_outside_the_chart_is_refused(organisation_id: int, code: str) -> None:
    with pytest.raises(ValueError, match="account"), transaction():
        entry(organisation_id, "k1", leg("bank", 5), leg(code, -5))


def test_a_wallet_cannot_fall_below_zero(organisation_id: int) -> None:
    with transaction():
        entry(organisation_id, "k1", leg("bank", 1200), leg("wallet:organisation", -1200))
    with pytest.raises(Conflict) as caught, transaction():
        entry(organisation_id, "k2", leg("wallet:organisation", 2000), leg("bank", -2000))
    for word in (
        "Wallet of organisation",
        "wallet:organisation",
        "holds 12.00 USD",
        "taking 20.00 USD",
        "minimum",
    ):
        assert word in caught.value.message
    assert balances(organisation_id) == {"bank": 1200, "wallet:organisation": 1200}
    assert count(JournalEntry) == 1


def test_only_the_whole_entry_counts_for_the_minimum(organisation_id: int) -> None:
    with transaction():
        entry(organisation_id, "k1", leg("wallet:a", 5), leg("bank", -2), leg("wallet:a", -8), leg("bank", 5))
    assert balances(organisation_id) == {"wallet:a": 3, "bank": 3}


def test_an_entry_is_reversed_once(organisation_id: int) -> None:
    with transaction():
        made = entry(organisation_id, "k1", leg("expense:x", 900), leg("payable:TE-1", -900))
        values = {"description": "Reversed", "effective_on": date(2026, 11, 21), "actor": ACTOR, "now": NOW}
        back = service.reverse(entry=made, idempotency_key="k1:back", **values)
        assert back.reverses_id == made.id
        assert service.reverse(entry=made, idempotency_key="k1:back", **values).id == back.id
    with pytest.raises(Conflict, match="reversed already"), transaction():
        service.reverse(entry=made, idempotency_key="other", **values)
    assert balances(organisation_id) == {"expense:x": 0, "payable:TE-1": 0}


def test_the_database_refuses_a_second_reversal_that_comes_at_once(organisation_id: int) -> None:
    with transaction():
        made = entry(organisation_id, "k1", leg("bank", 9), leg("income:x", -9))
        entry(organisation_id, "k2", leg("income:x", 9), leg("bank", -9), reverses_id=made.id)
    with pytest.raises(Conflict, match="just been reversed"), transaction():
        entry(organisation_id, "k3", leg("income:x", 9), leg("bank", -9), reverses_id=made.id)


def test_many_entries_give_what_one_by_one_gives(organisation_id: int) -> None:
    other = factories.organisation(slug="other").id
    moves = [(f"k{i}", leg("bank", i + 1), leg(f"wallet:{i % 3}", -i - 1)) for i in range(50)]
    with transaction():
        assert service.post_many(organisation_id=organisation_id, entries=[draft(k, *legs) for k, *legs in moves],
                                 actor=ACTOR, now=NOW) == 50  # fmt: skip
        for key, *legs in moves:
            entry(other, key, *legs)
    assert balances(organisation_id) == balances(other)

    def story(which: int) -> list[tuple[object, ...]]:
        query = (select(JournalEntry.idempotency_key, JournalEntry.content_digest, Account.code,
                        Posting.amount_minor, Posting.balance_after_minor)
                 .join(Posting, Posting.entry_id == JournalEntry.id).join(Account, Account.id == Posting.account_id)
                 .where(JournalEntry.organisation_id == which).order_by(Posting.id))  # fmt: skip
        return [tuple(row) for row in db.session.execute(query)]

    assert story(organisation_id) == story(other)
    assert len(story(other)) == 100


def test_many_entries_again_write_only_what_is_new(organisation_id: int) -> None:
    drafts = [draft(f"k{i}", leg("bank", 10), leg("income:x", -10)) for i in range(8)]
    values = {"organisation_id": organisation_id, "actor": ACTOR, "now": NOW}
    with transaction():
        assert service.post_many(entries=[*drafts[:5], drafts[0]], **values) == 5
    with transaction():
        assert service.post_many(entries=drafts, **values) == 3
    assert balances(organisation_id) == {"bank": 80, "income:x": 80}
    changed = draft("k3", leg("bank", 11), leg("income:x", -11))
    with pytest.raises(Conflict, match="k3"), transaction():
        service.post_many(entries=[draft("k9", leg("bank", 1), leg("income:x", -1)), changed], **values)
    with pytest.raises(Conflict, match="k9"), transaction():
        service.post_many(
            entries=[draft("k9", leg("bank", n), leg("income:x", -n)) for n in (1, 2)], **values
        )
    assert balances(organisation_id) == {"bank": 80, "income:x": 80}
    assert count(JournalEntry) == 8


def test_many_entries_keep_every_sign_of_their_texts(organisation_id: int) -> None:
    texts = [
        'a "quoted" text',
        "back\\slash",
        "{1,2}",
        "NULL",
        "",
        " , ",
        "it's",
        "किराया",
        "line\nbreak",
        "%s ?1",
    ]
    drafts = [
        draft(f"k{i} {texts[i % 10]}", leg("bank", 5), leg("income:x", -5), description=texts[i % 10])
        for i in range(1_010)
    ]
    with transaction():
        assert (
            service.post_many(organisation_id=organisation_id, entries=drafts, actor=ACTOR, now=NOW) == 1_010
        )
    written = db.session.execute(
        select(JournalEntry.idempotency_key, JournalEntry.description).order_by(JournalEntry.id)
    ).all()
    assert [tuple(row) for row in written] == [(d.idempotency_key, d.description) for d in drafts]
    assert balances(organisation_id) == {"bank": 5_050, "income:x": 5_050}
    assert (
        db.session.scalars(select(Posting.balance_after_minor).order_by(Posting.id.desc())).first() == 5_050
    )


def test_one_breach_stops_all_of_many(organisation_id: int) -> None:
    drafts = [
        draft("a", leg("bank", 5), leg("wallet:a", -5)),
        draft("b", leg("wallet:b", 1), leg("bank", -1)),
    ]
    with pytest.raises(Conflict, match="wallet:b"), transaction():
        service.post_many(organisation_id=organisation_id, entries=drafts, actor=ACTOR, now=NOW)
    assert balances(organisation_id) == {}
    assert count(JournalEntry) == 0


def test_an_account_of_another_payee_is_refused(organisation_id: int) -> None:
    first, second = (
        factories.payee(db.session.get_one(_organisation(), organisation_id)).id for _ in range(2)
    )
    with transaction():
        entry(organisation_id, "k1", leg("expense:x", 5), leg("payable:A", -5, first))
    with pytest.raises(Conflict, match="another payee"), transaction():
        entry(organisation_id, "k2", leg("expense:x", 5), leg("payable:A", -5, second))


def _organisation() -> type:
    from webapp.people.models import Organisation

    return Organisation


def test_a_large_batch_with_a_breach_names_it_and_writes_nothing(organisation_id: int) -> None:
    drafts = [draft(f"k{i}", leg("bank", 1), leg(f"wallet:{i % 7}", -1)) for i in range(200)]
    values = {"organisation_id": organisation_id, "actor": ACTOR, "now": NOW}
    with transaction():
        assert service.post_many(entries=drafts, **values) == 200
    back = [draft(f"b{i}", leg(f"wallet:{i % 7}", 1), leg("bank", -1)) for i in range(200)]
    with pytest.raises(Conflict, match="wallet:3"), transaction():
        service.post_many(entries=[*back, draft("over", leg("wallet:3", 1), leg("bank", -1))], **values)
    assert balances(organisation_id)["wallet:3"] == 29
    assert count(JournalEntry) == 200

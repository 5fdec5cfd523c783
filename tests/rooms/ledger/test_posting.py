"""What holds for every entry, tried with many of them."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests import factories
from tests.factories.ledger import ACTOR, NOW, draft, leg
from webapp.database import db, transaction
from webapp.kernel.errors import Conflict
from webapp.kernel.money import Money
from webapp.ledger import check, service
from webapp.ledger.chart import ACCOUNTS, NORMAL_SIDES, account_for
from webapp.ledger.models import Account
from webapp.ledger.posting import UnbalancedEntry, digest_of, validate

AMOUNTS = st.integers(-(10**15), 10**15)
CODES = st.sampled_from(
    ["bank", "in_transit", "wallet:a", "wallet:b", "payable:TE-1", "income:fee", "expense:x"]
)


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_parts_add_up_to_the_whole(amount: int, weights: list[int]) -> None:
    parts = Money(amount, "USD").allocate(weights)
    assert sum(part.amount for part in parts) == amount
    assert len(parts) == len(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = amount * weight / sum(weights)
        assert abs(part.amount - exact) <= 1 + abs(exact) * 1e-9
        assert weight or part.amount == 0
        assert part.amount * amount >= 0


@given(st.lists(AMOUNTS, max_size=8))
def test_only_balanced_legs_without_zeros_are_an_entry(amounts: list[int]) -> None:
    made = draft("k", *(leg("bank", amount) for amount in amounts))
    if len(amounts) >= 2 and all(amounts) and sum(amounts) == 0:
        validate(made)
    else:
        with pytest.raises(UnbalancedEntry):
            validate(made)
    closed = [a for a in amounts if a]
    rest = -sum(closed)
    if closed and rest:
        validate(draft("k", *(leg("bank", amount) for amount in [*closed, rest])))


def test_the_digest_tells_everything_apart() -> None:
    legs = (leg("bank", 5), leg("income:fee", -5))
    drafts = [
        draft("k", *legs),
        draft("k", *legs[::-1]),
        draft("k", leg("bank", 6), leg("income:fee", -6)),
        draft("k", leg("bank:5", 5), leg("income:fee", -5)),
        draft("k", *legs, kind="other"),
        draft("k", *legs, currency="INR"),
        draft("k", *legs, effective_on=date(2026, 1, 1)),
        draft("k", *legs, description="A movement "),
        draft("k", *legs, source_type="other"),
        draft("k", *legs, source_id=11),
        draft("k", *legs, reverses_id=1),
    ]
    assert len({digest_of(d) for d in drafts}) == len(drafts)
    assert digest_of(draft("another key", *legs)) == digest_of(drafts[0])


@given(st.text(max_size=40), st.text(max_size=10), AMOUNTS, st.none() | st.integers(1, 9))
def test_the_digest_is_of_the_content_as_json(
    text: str, kind: str, amount: int, reverses: int | None
) -> None:
    day = date(2026, 10, 31)
    made = draft(
        "k", leg("bank", amount), leg(f"wallet:{text}", -amount), kind=kind, description=text, effective_on=day,
        reverses_id=reverses,
    )  # fmt: skip
    legs = [["bank", amount], [f"wallet:{text}", -amount]]
    content = [kind, "USD", "2026-10-31", text, made.source_type, made.source_id, reverses, legs]
    assert digest_of(made) == hashlib.sha256(json.dumps(content).encode()).hexdigest()


@pytest.mark.parametrize("prefix", sorted(ACCOUNTS))
def test_every_account_of_the_chart_has_a_side(prefix: str) -> None:
    template = ACCOUNTS[prefix]
    found = account_for(f"{prefix}:some_thing" if template.takes_suffix else prefix)
    assert found.normal_side == NORMAL_SIDES[found.type]
    assert found.name.endswith("some thing") == template.takes_suffix
    # What belongs to others cannot go below zero.
    of_others = ("payable", "wallet", "held", "rent_received", "reserve", "tenant_credit", "deposit")
    assert (found.minimum_minor == 0) == (prefix in of_others)


@st.composite
def movements(draw: st.DrawFn) -> list[list[tuple[str, int]]]:
    """Some entries, each of some balanced legs."""
    result = []
    for _ in range(draw(st.integers(1, 6))):
        amounts = draw(st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=4))
        if sum(amounts):
            amounts.append(-sum(amounts))
        if len(amounts) > 1:
            result.append([(draw(CODES), amount) for amount in amounts])
    return result


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(movements(), min_size=1, max_size=4))
def test_any_movements_leave_books_that_check(
    database: Flask, batches: list[list[list[tuple[str, int]]]]
) -> None:
    organisation_id = factories.organisation().id
    expected: dict[str, int] = {}
    for n, batch in enumerate(batches):
        after = dict(expected)
        for legs in batch:
            for code, amount in legs:
                after[code] = after.get(code, 0) + amount * account_for(code).normal_side
        touched = {code for legs in batch for code, _ in legs}
        is_allowed = all(account_for(code).minimum_minor is None or after[code] >= 0 for code in touched)
        drafts = [draft(f"{n}-{i}", *(leg(*one) for one in legs)) for i, legs in enumerate(batch)]
        try:
            with transaction():
                service.post_many(organisation_id=organisation_id, entries=drafts, actor=ACTOR, now=NOW)
            assert is_allowed
            expected = after
        except Conflict:
            assert not is_allowed
    kept = {a.code: a.balance_minor for a in db.session.scalars(
        select(Account).where(Account.organisation_id == organisation_id))}  # fmt: skip
    assert kept == {code: value for code, value in expected.items() if code in kept}
    assert all(value == 0 for code, value in expected.items() if code not in kept)
    assert check.run(organisation_id).findings == []

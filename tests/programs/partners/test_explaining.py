"""Which touch earned what, in words: parts add up to shares, shares to the deal, and nobody reads of others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from tests.factories import partners
from tests.factories.partners import CLOSED, OPENED
from webapp.database import db
from webapp.kernel.money import Money
from webapp.programs.partners import explaining
from webapp.programs.partners.explaining import explain, explain_many, percent, reason
from webapp.programs.partners.states import Model

pytestmark = pytest.mark.usefixtures("database")


def _of(model: str, **values: object):
    here = partners.partnerbase()
    return here, partners.program(here, model=model, **values)


@pytest.mark.parametrize("model", [each.value for each in Model])
def test_parts_add_up_to_shares_and_shares_to_the_deal(model: str) -> None:
    """Whatever the model: to the millionth and to the cent."""
    here, program = _of(model)
    three = [partners.partner(here) for _ in range(3)]
    deal = partners.deal(program, three, 100_01)
    partners.touch(deal, three[0], type="demo", happened_at=OPENED + timedelta(days=9))
    partners.touch(deal, three[0], type="content", happened_at=OPENED + timedelta(days=11))
    found = explain(here.id, deal.id)
    assert sum(each.millionths for each in found) == 1_000_000
    assert sum(each.amount.amount for each in found) == 100_01
    for each in found:
        assert sum(part.share_millionths for part in each.parts) == each.millionths
        assert sum(part.amount.amount for part in each.parts) == each.amount.amount
        assert all(part.why.endswith(".") for part in each.parts)
    # Each of the five touches is told once, whether it earned something or not.
    assert sorted(part.touch_id or 0 for each in found for part in each.parts) == sorted(
        touch for (touch,) in db.session.execute(db.text("SELECT id FROM partners_touchpoints"))
    )


def test_roles_are_told_with_their_weights() -> None:
    """Two touches of one kind share its weight: 40 for the referrals, 25 for the demonstration."""
    here, program = _of("role")
    ada, ben = partners.partner(here), partners.partner(here)
    deal = partners.deal(program, [ada, ben], 650_00)
    partners.touch(deal, ben, type="demo", happened_at=OPENED + timedelta(days=3))
    first, second = explain(here.id, deal.id)
    assert (first.partner_name, first.partner_reference) == (ada.name, ada.reference)
    assert [(part.kind_label, part.amount) for part in second.parts] == [
        ("Referral", Money(200_00, "USD")),
        ("Demonstration", Money(250_00, "USD")),
    ]
    assert first.amount == Money(200_00, "USD")
    assert "weight 40" in first.parts[0].why
    assert "weight 25" in second.parts[1].why


def test_touches_that_earned_nothing_are_told_with_the_reason() -> None:
    """By another model's choice, and after the close."""
    here, program = _of("first_touch")
    ada, ben = partners.partner(here), partners.partner(here)
    deal = partners.won(program, [ada, ben])
    partners.touch(deal, ben, happened_at=CLOSED + timedelta(days=1))
    first, second = explain(here.id, deal.id)
    assert [part.why for part in first.parts] == ["It was the first touch."]
    assert (second.millionths, second.amount.amount) == (0, 0)
    assert [part.why for part in second.parts] == ["All goes to the first touch.", "It came after the close."]


@pytest.mark.parametrize(
    ("model", "values", "why"),
    [
        ("last_touch", {}, "All goes to the last touch before the close."),
        ("role", {"type": "other"}, "This kind of touch has no weight in this program."),
        ("custom", {"weight": 0}, "It was given no weight."),
    ],
)
def test_each_model_says_why_a_touch_earned_nothing(model: str, values: dict[str, object], why: str) -> None:
    """The last of all counts, or what has a weight."""
    here, program = _of(model, role_weights={"referral": 40} if model == "role" else {})
    ada, ben = partners.partner(here), partners.partner(here)
    deal = partners.deal(program, [])
    partners.touch(deal, ben, happened_at=OPENED, **values)
    partners.touch(deal, ada, happened_at=OPENED + timedelta(days=1))
    told = {each.payee_id: each for each in explain(here.id, deal.id)}
    assert told[ada.id].millionths == 1_000_000
    assert [part.why for part in told[ben.id].parts] == [why]


def test_who_registered_the_deal_is_told() -> None:
    """It earns by the first touch; with touches and another model it earns nothing, and that is said."""
    here, program = _of("first_touch")
    ada, ben = partners.partner(here), partners.partner(here)
    deal = partners.deal(program, [ben], registered_by_id=ada.id)
    first, second = explain(here.id, deal.id)
    assert (first.payee_id, first.parts[0].kind_label, first.parts[0].touch_id) == (
        ada.id,
        "Registration",
        None,
    )
    assert first.parts[0].why == "The deal was registered by this partner."
    assert second.parts[0].why == "All goes to the partner who registered the deal."
    other = partners.deal(partners.program(here, model="equal"), [ben], registered_by_id=ada.id)
    _, own = explain(here.id, other.id)
    assert (own.payee_id, own.millionths) == (ada.id, 0)
    assert own.parts[0].why == "In this program touches count, not who registered the deal."


def test_a_partner_reads_of_nobody_else() -> None:
    """Others are one line without names, numbers, touches and single sums."""
    here, program = _of("equal")
    ada, ben, eve = (partners.partner(here, name=name) for name in ("Ada", "Ben Secret", "Eve Secret"))
    deal = partners.deal(program, [ada, ben, eve], 300_00)
    own, rest = explain(here.id, deal.id, ada.id)
    assert (own.partner_name, own.amount) == ("Ada", Money(100_00, "USD"))
    assert (rest.partner_name, rest.partner_reference, rest.payee_id, rest.parts) == (
        "other partners",
        "",
        None,
        [],
    )
    assert rest.amount == Money(200_00, "USD")
    two = partners.deal(program, [ada, ben], 300_00)
    assert [each.partner_name for each in explain(here.id, two.id, ada.id)] == ["Ada", "another partner"]
    assert "Secret" not in repr(explain(here.id, deal.id, ada.id))


def test_nothing_is_told_to_those_who_have_no_part() -> None:
    """Another partner, another organisation, a deal that nobody touched."""
    here, program = _of("equal")
    ada, ben = partners.partner(here), partners.partner(here)
    deal = partners.deal(program, [ada])
    there = partners.partnerbase(slug="elsewhere")
    assert explain(here.id, deal.id, ben.id) == []
    assert explain(there.id, deal.id) == []
    assert explain(here.id, partners.deal(program, []).id) == []


def test_what_a_payout_froze_is_told_as_frozen() -> None:
    """And is told still when the deal is lost."""
    here, program = _of("equal")
    ada = partners.partner(here)
    deal = partners.won(program, [ada])
    assert not explain(here.id, deal.id)[0].is_frozen
    partners.calculate(here)
    partners.lost(deal)
    [own] = explain(here.id, deal.id)
    assert own.is_frozen
    assert own.amount == Money(1_000_00, "USD")


@pytest.fixture
def statements(database: Flask) -> Iterator[list[str]]:
    """What is asked of the database."""
    asked: list[str] = []

    def hear(connection: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", hear)
    yield asked
    event.remove(db.engine, "before_cursor_execute", hear)


def test_many_deals_cost_as_many_questions_as_one(statements: list[str]) -> None:
    """Four: deals, shares, touches, names."""
    here, program = _of("equal")
    ada, ben = partners.partner(here), partners.partner(here)
    deals = [partners.deal(program, [ada, ben]) for _ in range(5)]
    here_id, ids = here.id, [deal.id for deal in deals]
    statements.clear()
    found = explain_many(here_id, ids)
    assert len([said for said in statements if said.startswith("SELECT")]) == 4
    assert sorted(found) == ids


@pytest.mark.parametrize(
    ("millionths", "said"),
    [(1_000_000, "100 %"), (333_333, "33.33 %"), (333_334, "33.33 %"), (0, "0 %"), (5_000, "0.50 %"), (50, "0 %")],
)  # fmt: skip
def test_shares_are_said_in_per_cent(millionths: int, said: str) -> None:
    """With two decimals where there are some."""
    assert percent(millionths) == said


def test_what_no_sentence_knows_is_told_as_it_was_recorded() -> None:
    """And days before the close are counted as people do."""
    assert reason("by hand") == "by hand"
    assert reason("1 day before the close") == "1 day before the close."
    assert reason("12 days before the close").startswith("12 days before the close;")


def test_reasons_are_told_in_the_language_of_the_page(app: Flask) -> None:
    """English where no page is made."""
    with app.test_request_context("/admin/partners/deals", headers={"Accept-Language": "hi"}):
        assert explaining.reason("the first touch") == "It was the first touch."

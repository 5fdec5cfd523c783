"""Lists of deals, touches, shares and registrations: whose rows they have, in which order, with which sums."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.factories import partners
from tests.factories.partners import OPENED, TODAY
from tests.factories.people import FACTORY, stored
from webapp.database import db
from webapp.kernel.money import Money
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import deal_lists, disputing, effects, registering, touch_lists
from webapp.programs.partners.deal_lists import DealFilter
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.partners.touch_lists import TouchFilter
from webapp.web import listing
from webapp.web.listing import Listing, Sort


def ids(found: Listing, sort: str = "") -> list[int]:
    """The keys of a list in its order, read in batches of two."""
    rows = listing.batches(found, found.sort(sort), size=2)
    return [row.id for batch in rows for row in batch]


def claim(base: Organisation, program: PartnerProgram, payee: Payee, customer: str = "Acme") -> None:
    """A partner registers a deal."""
    with stored():
        registering.register(
            organisation_id=base.id, payee_id=payee.id, draft=RegistrationDraft(program.id, customer, "USD", 100),
            actor=FACTORY, now=TODAY,
        )  # fmt: skip


def test_a_partner_has_the_deals_that_they_touched_or_registered(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    ben = partners.partner(base, name="Ben")
    touched, registered = (
        partners.deal(program, [ann]),
        partners.deal(program, [ben], registered_by_id=ann.id),
    )
    partners.deal(program, [ben])
    assert ids(deal_lists.deals(base.id, payee_id=ann.id)) == [registered.id, touched.id]
    assert ids(deal_lists.deals(base.id, DealFilter(partner="ann"))) == [registered.id, touched.id]
    assert len(ids(touch_lists.touches(base.id, payee_id=ann.id))) == 1
    assert len(ids(touch_lists.shares(base.id, payee_id=ann.id))) == 1


def test_nothing_of_another_organisation_is_listed_or_added_up(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    there = partners.partnerbase(slug="there")
    same = partners.partner(there, name="Ann")
    for place, of, payee in ((base, program, ann), (there, partners.program(there), same)):
        deal = partners.won(of, [payee], 1_000_00)
        claim(place, of, payee)
        [commission] = partners.commissions(deal)
        with stored():
            disputing.raise_dispute(
                organisation_id=place.id, payee_id=payee.id, reference=commission.reference, reason="No", actor=FACTORY,
                now=TODAY,
            )  # fmt: skip
    for make in (deal_lists.deals, touch_lists.touches, touch_lists.shares, touch_lists.registrations):
        ours, theirs = make(base.id), make(there.id)
        assert len(ids(ours)) == len(ids(theirs)) == 1
        assert ids(ours) != ids(theirs)
        assert ids(make(base.id, payee_id=same.id)) == []
        assert [total.count for total in listing.totals(ours)] == [1]
    assert ids(deal_lists.deals(base.id, DealFilter(partner=same.reference))) == ids(
        deal_lists.deals(base.id)
    )
    assert [each for each, _ in deal_lists.offered_programs(there.id)] == ["PP-0001"]
    for place, payee in ((base, ann), (there, same)):
        [row] = db.session.scalars(touch_lists.disputes(place.id, "open", payee_id=payee.id)).all()
        assert row.organisation_id == place.id
        assert db.session.scalars(touch_lists.disputes(place.id, "refused")).all() == []


def test_sums_are_those_of_the_deals_and_their_commissions(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    """What was cancelled does not count; what was taken back is netted."""
    won, open_ = partners.won(program, [ann], 1_000_00), partners.deal(program, [ann], 300_00)
    lost = partners.lost(partners.won(program, [ann], 70_00))
    euros = partners.won(program, [ann], 200_00, currency="EUR")
    [eur, usd] = listing.totals(deal_lists.deals(base.id))
    assert (usd.count, eur.count) == (3, 1)
    assert usd.sums == {
        "amount": Money(1_370_00, "USD"),
        "won": Money(1_000_00, "USD"),
        "earned": Money(50_00, "USD"),
    }
    assert eur.sums["earned"] == Money(10_00, "EUR")
    every = [won.id, open_.id, lost.id, euros.id]
    assert deal_lists.earned_of(every) == {won.id: Money(50_00, "USD"), euros.id: Money(10_00, "EUR")}


def test_open_deals_come_before_all_that_are_closed(base: Organisation, program: PartnerProgram) -> None:
    """And pages go on behind a deal without a day."""
    made = [partners.won(program, []) if n % 2 else partners.deal(program, []) for n in range(6)]
    found = deal_lists.deals(base.id)
    in_order = [deal.id for deal in (*made[::2], *made[1::2])]
    assert ids(found, "closed") == in_order
    assert ids(found, "-closed") == in_order[::-1]
    sort = Sort("closed")
    first = listing.page(found, sort, size=2)
    behind = listing.page(found, sort, size=2, after=first.rows[-1].id)
    assert [row.id for row in behind.rows] == in_order[2:4]
    back = listing.page(found, sort, size=2, before=behind.rows[0].id)
    assert [row.id for row in back.rows] == in_order[:2]


@pytest.mark.parametrize(
    ("first", "last", "is_found"),
    [(9, None, True), (10, None, False), (None, 9, True), (None, 8, False), (9, 9, True)],
)
def test_days_are_those_of_the_organisation(
    base: Organisation,
    program: PartnerProgram,
    ann: Payee,
    first: int | None,
    last: int | None,
    is_found: bool,
) -> None:
    """Four in the morning in London is still the day before in New York."""
    deal = partners.deal(program, [])
    partners.touch(deal, ann, happened_at=datetime(2026, 2, 10, 4, tzinfo=UTC))
    begins, ends = (date(2026, 2, day) if day else None for day in (first, last))
    found = touch_lists.touches(base.id, TouchFilter(date_from=begins, date_to=ends))
    assert bool(ids(found)) is is_found


def test_shares_are_told_with_the_largest_first(base: Organisation, ann: Payee) -> None:
    ben = partners.partner(base, name="Ben")
    deal = partners.deal(partners.program(base, model="role"), [ann])
    partners.touch(deal, ben, type="sourcer", happened_at=OPENED + timedelta(days=1))
    partners.touch(deal, ben, type="demo", happened_at=OPENED + timedelta(days=2))
    parts = deal_lists.parts_of([deal.id])[deal.id]
    assert [part.name for part in parts] == ["Ben", "Ann"]
    assert sum(part.millionths for part in parts) == 1_000_000


def test_searching_takes_signs_as_they_are(base: Organisation, program: PartnerProgram) -> None:
    partners.deal(program, [], name="100 %")
    other: Deal = partners.deal(program, [], name="100 x", external_ref="CRM_1")
    assert len(ids(deal_lists.deals(base.id, DealFilter(text="0 %")))) == 1
    assert ids(deal_lists.deals(base.id, DealFilter(text="crm_"))) == [other.id]
    assert ids(deal_lists.deals(base.id, DealFilter(amount_from=1, amount_currency="EUR"))) == []


def test_programs_that_are_not_in_use_are_not_offered(base: Organisation) -> None:
    partners.program(base, name="Old", is_active=False)
    partners.program(base, name="New")
    assert [name for _, name in deal_lists.offered_programs(base.id)] == ["New", "Old"]
    assert [name for _, name in deal_lists.offered_programs(base.id, only_active=True)] == ["New"]


def test_the_effect_of_losing_names_what_was_taken_back_before(base: Organisation, ann: Payee) -> None:
    """A clawback that waits belongs to what is taken back; nothing is counted twice."""
    deal = partners.won(partners.program(base), [ann], 1_000_00)
    [effect] = effects.of_losing(deal, TODAY)
    assert (effect.cancelled.amount, effect.taken_back.amount, effect.kept.amount) == (50_00, 0, 0)
    partners.calculate(base)
    [effect] = effects.of_losing(deal, TODAY)
    assert (effect.cancelled.amount, effect.taken_back.amount, effect.kept.amount) == (0, 50_00, 0)
    partners.lost(deal)
    assert sum(row.amount_minor for row in partners.commissions(deal)) == 0
    [effect] = effects.of_losing(deal, TODAY)
    assert (effect.cancelled.amount, effect.taken_back.amount, effect.kept.amount) == (0, 50_00, 0)

"""Partners' claims on deals, and their objections to commissions."""

from __future__ import annotations

import pytest

from tests.factories import partners as factory
from tests.factories.partners import TODAY, commissions
from tests.factories.people import FACTORY, actor_of, user
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, disputing, registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.models import Commission, CommissionDispute, Deal, PartnerProgram, Registration


@pytest.fixture
def program(base: Organisation) -> PartnerProgram:
    """All to the partner who registered the deal."""
    return factory.program(base, model="first_touch")


def claim(program: PartnerProgram, payee: Payee, customer: str = "Acme", **values: object) -> Registration:
    """A partner's claim on a customer."""
    draft = RegistrationDraft(program.id, customer, "USD", 5_000_00, **values)  # type: ignore[arg-type]
    with transaction():
        return registering.register(
            organisation_id=program.organisation_id, payee_id=payee.id, draft=draft, actor=FACTORY, now=TODAY
        )


def accept(row: Registration, deal: Deal | None = None) -> Registration:
    """Accepted, as a new deal or as the one that is there."""
    with transaction():
        return registering.accept(
            organisation_id=row.organisation_id, reference=row.reference, actor=FACTORY, now=TODAY,
            deal_reference=deal.reference if deal else None,
        )  # fmt: skip


def test_accepting_makes_a_deal_and_no_money(program: PartnerProgram, ann: Payee) -> None:
    row = accept(claim(program, ann))
    assert row.deal is not None
    assert (row.state, row.deal.registered_by_id, row.deal.amount_minor) == ("approved", ann.id, 5_000_00)
    assert commissions(ann) == []


def test_accepting_names_the_partner_in_a_deal_that_is_there(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [])
    accept(claim(program, ann), deal)
    assert deal.registered_by_id == ann.id


def test_another_partners_deal_stays_theirs(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [], registered_by_id=factory.partner(base).id)
    with pytest.raises(Conflict, match="Another partner"):
        accept(claim(program, ann), deal)


def test_a_closed_deal_takes_no_registration(program: PartnerProgram, ann: Payee) -> None:
    deal = factory.won(program, [ann])
    with pytest.raises(Conflict, match="won"):
        accept(claim(program, ann), deal)


def test_the_same_claim_is_entered_once(program: PartnerProgram, ann: Payee) -> None:
    first = claim(program, ann, "Acme  Corporation")
    with pytest.raises(Conflict, match=first.reference):
        claim(program, ann, "acme corporation")


def test_what_speaks_against_it_is_told(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    deal = factory.deal(program, [], customer="Ann")
    other = claim(program, factory.partner(base), "ANN")
    found = registering.warnings_of(claim(program, ann, "ann"))
    assert found == registering.Warnings((deal.reference,), (other.reference,), True)
    assert len(found.sentences) == 3


def test_nothing_speaks_against_a_new_customer(program: PartnerProgram, ann: Payee) -> None:
    assert registering.warnings_of(claim(program, ann)).sentences == []


def test_refusing_needs_a_reason_and_is_final(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    row = claim(program, ann)
    with pytest.raises(Invalid), transaction():
        registering.refuse(
            organisation_id=base.id, reference=row.reference, reason=" ", actor=FACTORY, now=TODAY
        )
    with transaction():
        registering.refuse(
            organisation_id=base.id, reference=row.reference, reason="Ours.", actor=FACTORY, now=TODAY
        )
    assert (row.state, row.reason) == ("rejected", "Ours.")
    with pytest.raises(Conflict, match="refused already"):
        accept(row)


def test_another_organisation_decides_nothing(program: PartnerProgram, ann: Payee) -> None:
    row = claim(program, ann)
    other = factory.partnerbase()
    with pytest.raises(NotFound), transaction():
        registering.accept(organisation_id=other.id, reference=row.reference, actor=FACTORY, now=TODAY)


def objection(row: Commission, payee: Payee, actor: Actor = FACTORY) -> CommissionDispute:
    """The partner says that a commission is wrong."""
    with transaction():
        return disputing.raise_dispute(
            organisation_id=row.organisation_id, payee_id=payee.id, reference=row.reference,
            reason="It was more.", actor=actor, now=TODAY,
        )  # fmt: skip


def answered(made: CommissionDispute, actor: Actor, *, is_accepted: bool = False) -> None:
    """An admin's answer."""
    with transaction():
        disputing.decide(
            organisation_id=made.organisation_id, dispute_id=made.id, is_accepted=is_accepted,
            answer="As the order says.", actor=actor, now=TODAY,
        )  # fmt: skip


def test_an_objection_holds_one_commission_until_it_is_answered(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    [row] = commissions(factory.won(program, [ann]))
    made = objection(row, ann)
    assert calculating.partners_due(base.id, "2026-Q1", TODAY, 0, 10) == []
    answered(made, FACTORY)
    assert made.state == "refused"
    assert calculating.partners_due(base.id, "2026-Q1", TODAY, 0, 10) == [ann.id]


def test_a_second_objection_waits_for_the_first(program: PartnerProgram, ann: Payee) -> None:
    [row] = commissions(factory.won(program, [ann]))
    objection(row, ann)
    with pytest.raises(Conflict, match="already"):
        objection(row, ann)


def test_nobody_answers_their_own_objection(base: Organisation, program: PartnerProgram, ann: Payee) -> None:
    person = actor_of(user(organisation=base, role="admin"))
    [row] = commissions(factory.won(program, [ann]))
    made = objection(row, ann, person)
    with pytest.raises(Conflict, match="somebody else"):
        answered(made, person)
    answered(made, FACTORY, is_accepted=True)
    assert made.state == "accepted"


def test_only_their_own_commissions_and_none_in_a_payout(
    base: Organisation, program: PartnerProgram, ann: Payee
) -> None:
    [row] = commissions(factory.won(program, [ann]))
    with pytest.raises(NotFound):
        objection(row, factory.partner(base))
    factory.calculate(base)
    db.session.expire_all()
    with pytest.raises(Conflict, match="in a payout"):
        objection(row, ann)

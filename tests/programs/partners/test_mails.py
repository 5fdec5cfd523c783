"""Mails about registered deals and disputed commissions: who hears, once, and what is not said."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from jobs import partner_mails as jobs
from tests.factories import partners, people
from tests.factories.partners import TODAY
from webapp.database import db, transaction
from webapp.kernel.errors import NotFound
from webapp.notices.models import Email
from webapp.outbox.models import OutboxMessage
from webapp.people.models import Organisation, Payee, User
from webapp.programs.partners import disputing, registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.models import PartnerProgram, Registration


@pytest.fixture
def here(database: Flask) -> Organisation:
    return partners.partnerbase(slug="partnerbase", locale="en_US", contact_email="help@partnerbase.example")


@pytest.fixture
def admin(here: Organisation) -> User:
    return people.user("dana@example.com", organisation=here, role="admin", name="Dana Fox")


@pytest.fixture
def ada(here: Organisation) -> Payee:
    user = people.user("ada@example.com", name="Ada Ray")
    return partners.partner(here, name="Ada Ray", email="ada@example.com", user=user)


@pytest.fixture
def program(here: Organisation) -> PartnerProgram:
    return partners.program(here, name="Referrals")


def register(program: PartnerProgram, payee: Payee) -> Registration:
    draft = RegistrationDraft(program.id, "Acme <b>Corp</b>", "EUR", 5_000_00, "Seats", "They called us.")
    actor = people.actor_of(db.session.get_one(User, payee.user_id))
    with transaction():
        return registering.register(
            organisation_id=program.organisation_id, payee_id=payee.id, draft=draft, actor=actor, now=TODAY
        )


def asked(kind: str) -> list[int]:
    """What a worker is asked to tell."""
    db.session.rollback()
    query = select(OutboxMessage.reference_id).where(OutboxMessage.kind == f"notice.{kind}")
    return list(db.session.scalars(query.order_by(OutboxMessage.id)))


def mails(notice: str) -> list[Email]:
    db.session.rollback()
    return list(db.session.scalars(select(Email).where(Email.notice == notice).order_by(Email.id)))


def test_admins_hear_of_a_registration_once(program: PartnerProgram, ada: Payee, admin: User) -> None:
    row = register(program, ada)
    assert asked("registration.made") == [row.id]
    for _ in range(2):
        jobs.registration_made(row.id)
    (found,) = mails("registration_made")
    assert found.to_address == "dana@example.com"
    assert found.subject == f"Ada Ray registered a deal with Acme <b>Corp</b> – {row.reference}"
    for said in ("They called us.", "€5,000.00", f"/admin/partners/registrations/{row.reference}"):
        assert said in found.body_text, said
    assert "Acme &lt;b&gt;Corp&lt;/b&gt;" in found.body_html


def test_nobody_hears_of_one_that_was_withdrawn(program: PartnerProgram, ada: Payee, admin: User) -> None:
    row = register(program, ada)
    with transaction():
        registering.withdraw(
            organisation_id=program.organisation_id, payee_id=ada.id, reference=row.reference,
            actor=people.actor_of(admin), now=TODAY,
        )  # fmt: skip
    jobs.registration_made(row.id)
    jobs.registration_decided(row.id)
    assert mails("registration_made") == mails("registration_decided") == []
    assert asked("registration.decided") == []


@pytest.mark.parametrize("is_accepted", [True, False])
def test_the_partner_hears_what_was_decided(
    program: PartnerProgram, ada: Payee, admin: User, is_accepted: bool
) -> None:
    row = register(program, ada)
    who = {
        "organisation_id": program.organisation_id, "reference": row.reference, "actor": people.actor_of(admin),
        "now": TODAY,
    }  # fmt: skip
    with transaction():
        if is_accepted:
            registering.accept(**who)
        else:
            registering.refuse(**who, reason="It is ours already.")
    assert asked("registration.decided") == [row.id]
    jobs.registration_decided(row.id)
    (found,) = mails("registration_decided")
    assert (found.to_address, found.payee_id) == ("ada@example.com", ada.id)
    assert ("the deal names you" in found.body_text) is is_accepted
    assert ("It is ours already." in found.body_text) is not is_accepted
    assert f"/partner/registrations/{row.reference}" in found.body_text
    assert "dana" not in (found.body_text + found.body_html).lower()


def test_a_disputed_commission_is_told_to_admins_and_the_answer_to_the_partner(
    program: PartnerProgram, ada: Payee, admin: User
) -> None:
    (row,) = partners.commissions(partners.won(program, [ada], name="Acme: 20 seats"))
    who = {"organisation_id": program.organisation_id, "now": TODAY}
    with transaction():
        made = disputing.raise_dispute(
            payee_id=ada.id, reference=row.reference, reason="It was more.",
            actor=people.actor_of(db.session.get_one(User, ada.user_id)), **who,
        )  # fmt: skip
    assert asked("commission.disputed") == [made.id]
    jobs.commission_disputed(made.id)
    (told,) = mails("commission_disputed")
    assert (told.to_address, "It was more." in told.body_text) == ("dana@example.com", True)
    jobs.commission_decided(made.id)
    assert mails("commission_decided") == [], "it is not decided yet"
    with transaction():
        disputing.decide(
            dispute_id=made.id,
            is_accepted=False,
            answer="The order says so.",
            actor=people.actor_of(admin),
            **who,
        )
    assert asked("commission.decided") == [made.id]
    jobs.commission_decided(made.id)
    jobs.commission_disputed(made.id)
    (answer,) = mails("commission_decided")
    assert answer.to_address == "ada@example.com"
    for said in ("The order says so.", "$50.00", "Acme: 20 seats", f"/partner/commissions/{row.reference}"):
        assert said in answer.body_text, said
    assert len(mails("commission_disputed")) == 1


def test_a_partner_without_an_address_is_not_written_to(
    program: PartnerProgram, here: Organisation, admin: User
) -> None:
    silent = partners.partner(here, name="Bo")
    with transaction():
        row = registering.register(
            organisation_id=here.id, payee_id=silent.id, draft=RegistrationDraft(program.id, "Acme", "USD", 100),
            actor=people.actor_of(admin), now=TODAY,
        )  # fmt: skip
        registering.refuse(
            organisation_id=here.id,
            reference=row.reference,
            reason="No.",
            actor=people.actor_of(admin),
            now=TODAY,
        )
    jobs.registration_decided(row.id)
    assert mails("registration_decided") == []
    for job in (
        jobs.registration_made,
        jobs.registration_decided,
        jobs.commission_disputed,
        jobs.commission_decided,
    ):
        with pytest.raises(NotFound):
            job(10**9)

"""Lists and new models have an organisation's deals alone: nobody crosses them, nor enters a deal beside them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY, commissions
from tests.factories.people import FACTORY
from tests.programs.partners.acts import another_model, calculate, change, list_of
from tests.programs.partners.crossing import Act, Crossing
from webapp.database import db
from webapp.people.models import Organisation
from webapp.programs.partners import deals, earning, reattributing
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.importing.deals import DealImport
from webapp.programs.partners.importing.touchpoints import TouchImport
from webapp.programs.partners.models import Attribution
from webapp.programs.partners.states import Model

LATER, LATEST = CLOSED + timedelta(days=5), CLOSED + timedelta(days=9)


def _wins(base: Organisation) -> Act:
    return list_of(
        base.id, DealImport, "deals", "external_ref,state,closed_on,amount",
        f"D-1,won,{CLOSED.date()},1000.00", f"D-9,won,{LATEST.date()},3000.00",
    )  # fmt: skip


def test_a_list_in_another_order_does_not_cross_a_calculation(base: Organisation, crossing: Crossing) -> None:
    ann, program = factory.partner(base), factory.program(base)
    factory.won(program, [ann], external_ref="D-1", closed_at=CLOSED)
    factory.won(program, [ann], external_ref="D-2", closed_at=LATER)
    changed = list_of(
        base.id, DealImport, "deals", "external_ref,state,closed_on,amount",
        f"D-2,won,{LATER.date()},3000.00", f"D-1,won,{CLOSED.date()},3000.00",
    )  # fmt: skip
    crossing.stop_at(earning, "settle")
    replies = crossing.meet(changed, calculate(base, ann))
    assert replies == [["updated", "updated"], 1]
    assert [(row.amount_minor, row.state) for row in commissions(ann)] == [
        (150_00, "claimed"),
        (150_00, "claimed"),
    ]


def test_a_list_that_wins_a_deal_before_others_does_not_cross_a_calculation(
    base: Organisation, crossing: Crossing
) -> None:
    """What the list wins first makes a later deal another's first; that one is the calculation's already."""
    factory.rule(base, months=1)
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    factory.won(program, [ann], external_ref="D-5", closed_at=LATER)
    factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    factory.deal(program, [ann], external_ref="D-1")
    crossing.stop_at(earning, "settle")
    assert crossing.meet(_wins(base), calculate(base, ann, ben)) == [["updated", "updated"], 2]


def test_a_list_with_a_new_deal_before_others_does_not_cross_a_calculation(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    factory.won(program, [ann], external_ref="D-5", closed_at=LATER)
    factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    brought = list_of(
        base.id, DealImport, "deals", "external_ref,state,closed_on,amount,partner,opened_on,program,name",
        f"D-9,won,{LATEST.date()},1000.00,,,,x",
        f"D-1,won,{CLOSED.date()},1000.00,{ann.reference},{OPENED.date()},{program.reference},New",
    )  # fmt: skip
    crossing.stop_at(earning, "settle")
    assert crossing.meet(brought, calculate(base, ann, ben)) == [["updated", "created"], 2]


def test_a_list_that_wins_a_deal_before_others_does_not_cross_a_persons_change(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    middle = factory.won(program, [ann, ben], external_ref="D-5", closed_at=LATER)
    factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    factory.deal(program, [ann], external_ref="D-1")
    crossing.stop_at(earning, "settle")
    assert crossing.meet(_wins(base), change(middle, 3_000_00)) == [["updated", "updated"], middle.reference]


def test_a_list_of_touches_that_brings_somebody_to_an_earlier_deal_does_not_cross_a_calculation(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben, cid = factory.partner(base), factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    factory.won(program, [cid], external_ref="D-5", closed_at=LATER)
    last = factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    first = factory.won(program, [ann], external_ref="D-1")
    touches = list_of(
        base.id, TouchImport, "touchpoints", "partner,deal,touch_type,happened_at,external_ref",
        f"{cid.reference},{first.reference},demo,2026-01-20,T-1",
        f"{ann.reference},{last.reference},demo,2026-01-20,T-2",
    )  # fmt: skip
    crossing.stop_at(earning, "settle")
    made = crossing.meet(touches, calculate(base, cid, ben))
    assert made == [["created", "created"], 2]


def test_a_deal_that_is_entered_while_the_model_changes_has_the_new_one(
    base: Organisation, crossing: Crossing
) -> None:
    program = factory.program(base, model=Model.EQUAL.value)
    whose = [factory.partner(base).id, factory.partner(base).id]
    here, draft = base.id, DealDraft(program.id, "New one", "USD", 100_00, OPENED)

    def enter() -> None:
        row = deals.create_deal(organisation_id=here, draft=draft, actor=FACTORY, now=TODAY)
        for day, payee_id in enumerate(whose):
            touch = TouchDraft(payee_id, "demo", OPENED + timedelta(days=day))
            deals.add_touch(
                organisation_id=here, reference=row.reference, draft=touch, actor=FACTORY, now=TODAY
            )

    crossing.stop_at(reattributing, "_renew", is_after=True)
    assert crossing.meet(another_model(program), enter) == [Model.LAST_TOUCH.value, None]
    shares = [(row.model, row.amount_minor) for row in db.session.scalars(select(Attribution))]
    assert shares == [(Model.LAST_TOUCH.value, 100_00)]

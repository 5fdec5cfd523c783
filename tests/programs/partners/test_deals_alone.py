"""Lists and new models have an organisation's deals alone: nobody crosses them, nor enters a deal beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from tests.factories import partners as factory
from tests.factories.partners import CLOSED, OPENED, TODAY
from tests.factories.people import FACTORY
from tests.programs.partners.crossing import Act, Crossing
from webapp.database import db
from webapp.imports import kinds
from webapp.imports.cells import Cells
from webapp.imports.columns import map_columns
from webapp.imports.reading import read
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, deals, earning, partners, reattributing
from webapp.programs.partners.drafts import DealDraft, ProgramDraft, TouchDraft
from webapp.programs.partners.importing.deals import DealImport
from webapp.programs.partners.importing.touchpoints import TouchImport
from webapp.programs.partners.models import Attribution, Deal, PartnerProgram
from webapp.programs.partners.states import Model

LATER, LATEST = CLOSED + timedelta(days=5), CLOSED + timedelta(days=9)


def _list(base: Organisation, importer: type[Any], kind: str, *lines: str) -> Act:
    organisation_id = base.id

    def act() -> list[str]:
        organisation = db.session.get_one(Organisation, organisation_id)
        table = map_columns(kinds.get_kind(kind), read("\n".join(lines).encode()), None)
        storing = importer(organisation, table, FACTORY, TODAY)
        rows = list(table.rows(0, 10))
        storing.prepare(rows)
        said = [storing.store(row, Cells(row)) for row in rows]
        storing.finish()
        return said

    return act


def _wins(base: Organisation) -> Act:
    return _list(
        base, DealImport, "deals", "external_ref,state,closed_on,amount",
        f"D-1,won,{CLOSED.date()},1000.00", f"D-9,won,{LATEST.date()},3000.00",
    )  # fmt: skip


def _calculate(base: Organisation, *whose: Payee) -> Act:
    here, ids = base.id, [payee.id for payee in whose]
    return lambda: len(
        calculating.calculate(
            organisation_id=here, payee_ids=ids, until="2026-Q1", actor=FACTORY, now=TODAY
        ).payout_ids
    )


def _change(deal: Deal, amount_minor: int) -> Act:
    here, reference = deal.organisation_id, deal.reference
    draft = DealDraft(
        deal.program_id, deal.name, deal.currency, amount_minor, deal.opened_at, deal.customer, deal.product
    )
    return lambda: (
        deals.change_deal(
            organisation_id=here, reference=reference, draft=draft, actor=FACTORY, now=TODAY, reason="More."
        ).reference
    )


def _another_model(program: PartnerProgram) -> Act:
    here, reference, draft = (
        program.organisation_id,
        program.reference,
        ProgramDraft(program.name, model=Model.LAST_TOUCH.value),
    )
    return lambda: (
        partners.change_program(
            organisation_id=here, reference=reference, draft=draft, actor=FACTORY, now=TODAY
        ).model
    )


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
    assert crossing.meet(_wins(base), _calculate(base, ann, ben)) == [["updated", "updated"], 2]


def test_a_list_with_a_new_deal_before_others_does_not_cross_a_calculation(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    factory.won(program, [ann], external_ref="D-5", closed_at=LATER)
    factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    brought = _list(
        base, DealImport, "deals", "external_ref,state,closed_on,amount,partner,opened_on,program,name",
        f"D-9,won,{LATEST.date()},1000.00,,,,x",
        f"D-1,won,{CLOSED.date()},1000.00,{ann.reference},{OPENED.date()},{program.reference},New",
    )  # fmt: skip
    crossing.stop_at(earning, "settle")
    assert crossing.meet(brought, _calculate(base, ann, ben)) == [["updated", "created"], 2]


def test_a_list_that_wins_a_deal_before_others_does_not_cross_a_persons_change(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben = factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    middle = factory.won(program, [ann, ben], external_ref="D-5", closed_at=LATER)
    factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    factory.deal(program, [ann], external_ref="D-1")
    change = _change(middle, 3_000_00)
    crossing.stop_at(earning, "settle")
    assert crossing.meet(_wins(base), change) == [["updated", "updated"], middle.reference]


def test_a_list_of_touches_that_brings_somebody_to_an_earlier_deal_does_not_cross_a_calculation(
    base: Organisation, crossing: Crossing
) -> None:
    factory.rule(base, months=1)
    ann, ben, cid = factory.partner(base), factory.partner(base), factory.partner(base)
    program = factory.program(base, holding_days=0)
    factory.won(program, [cid], external_ref="D-5", closed_at=LATER)
    last = factory.won(program, [ben], external_ref="D-9", closed_at=LATEST)
    first = factory.won(program, [ann], external_ref="D-1")
    touches = _list(
        base, TouchImport, "touchpoints", "partner,deal,touch_type,happened_at,external_ref",
        f"{cid.reference},{first.reference},demo,2026-01-20,T-1",
        f"{ann.reference},{last.reference},demo,2026-01-20,T-2",
    )  # fmt: skip
    crossing.stop_at(earning, "settle")
    made = crossing.meet(touches, _calculate(base, cid, ben))
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
    assert crossing.meet(_another_model(program), enter) == [Model.LAST_TOUCH.value, None]
    shares = [(row.model, row.amount_minor) for row in db.session.scalars(select(Attribution))]
    assert shares == [(Model.LAST_TOUCH.value, 100_00)]

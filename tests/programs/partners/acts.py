"""What people and programs do with deals, ready to be done in a transaction of its own."""

from __future__ import annotations

from typing import Any

from tests.factories.partners import TODAY
from tests.factories.people import FACTORY
from tests.programs.partners.crossing import Act
from webapp.database import db
from webapp.imports import kinds
from webapp.imports.cells import Cells
from webapp.imports.columns import map_columns
from webapp.imports.reading import read
from webapp.people.models import Organisation, Payee
from webapp.programs.partners import calculating, deals, partners
from webapp.programs.partners.drafts import DealDraft, ProgramDraft
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.partners.states import Model


def list_of(organisation_id: int, importer: type[Any], kind: str, *lines: str) -> Act:
    """A list of these lines, the header first; what is said of each row."""

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


def calculate(base: Organisation, *whose: Payee) -> Act:
    """What is due to these partners becomes payouts; how many."""
    here, ids = base.id, [payee.id for payee in whose]
    return lambda: len(
        calculating.calculate(
            organisation_id=here, payee_ids=ids, until="2026-Q1", actor=FACTORY, now=TODAY
        ).payout_ids
    )


def change(deal: Deal, amount_minor: int) -> Act:
    """The deal gets another amount; its number."""
    here, reference = deal.organisation_id, deal.reference
    draft = DealDraft(
        deal.program_id, deal.name, deal.currency, amount_minor, deal.opened_at, deal.customer, deal.product
    )
    return lambda: (
        deals.change_deal(
            organisation_id=here, reference=reference, draft=draft, actor=FACTORY, now=TODAY, reason="More."
        ).reference
    )


def another_model(program: PartnerProgram) -> Act:
    """The last touch gets all from now on; the model."""
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

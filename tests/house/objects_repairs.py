"""Example records of repairs: a draft, open ones, one on hold, a new plan, an invoice, a run that charges."""

from __future__ import annotations

from tests.factories import FACTORY, actor_of, repairs
from tests.factories.people import stored
from tests.house.objects_drivers import lease_of
from tests.house.town import Arguments, House, example
from webapp.kernel.ids import new_uid
from webapp.programs.repairs import changing, charging_runs
from webapp.programs.repairs.models import Repair
from webapp.providers import storage


def _open(house: House) -> Repair:
    return repairs.repair(lease_of(house.payees["driver"]))


@example("admin.repairs.confirm_repair", "admin.repairs.edit_repair")
def a_draft(house: House, kind: str) -> list[Arguments]:
    """A repair that is not confirmed."""
    return [{"reference": repairs.draft(lease_of(house.payees["driver"])).reference}]


@example("admin.repairs.repair", "admin.repairs.hold_repair", "admin.repairs.cancel_repair",
         "admin.repairs.settle_repair", "admin.repairs.propose_replan")  # fmt: skip
def an_open_repair(house: House, kind: str) -> list[Arguments]:
    """A repair whose instalments are charged."""
    return [{"reference": _open(house).reference}]


@example("admin.repairs.release_repair")
def one_on_hold(house: House, kind: str) -> list[Arguments]:
    """A repair that is on hold."""
    reference = _open(house).reference
    with stored():
        changing.hold_repair(
            organisation_id=house.organisation.id, reference=reference, reason="Disputed", actor=FACTORY,
            now=repairs.at(repairs.DAY),
        )  # fmt: skip
    return [{"reference": reference}]


@example("admin.repairs.skip_instalment")
def an_instalment(house: House, kind: str) -> list[Arguments]:
    """An instalment that is not charged yet."""
    reference = _open(house).reference
    return [{"reference": reference, "number": f"{reference}-01"}]


@example("admin.repairs.decide_replan")
def a_new_plan(house: House, kind: str) -> list[Arguments]:
    """A plan that waits for a second person."""
    reference = _open(house).reference
    with stored():
        made = changing.propose_replan(
            organisation_id=house.organisation.id, reference=reference, weekly_minor=50_00, reason="Less work",
            actor=actor_of(house.users["accountant"]), now=repairs.at(repairs.DAY),
        )  # fmt: skip
    return [{"reference": reference, "replan_id": made.id}]


@example("admin.repairs.document")
def an_invoice(house: House, kind: str) -> list[Arguments]:
    """A repair with the workshop's invoice as a file."""
    key = f"repairs/{new_uid()}"
    storage.save(key, b"%PDF-1.7 invoice %%EOF")
    made = repairs.draft(lease_of(house.payees["driver"]), document_key=key, document_name="invoice.pdf")
    return [{"reference": made.reference}]


@example("admin.repairs.check_posting", "admin.repairs.confirm_posting")
def chosen_instalments(house: House, kind: str) -> list[Arguments]:
    """What the admin ticked to be charged."""
    instalment = _open(house).instalments[0]
    with stored():
        run = charging_runs.draft_run(
            organisation_id=house.organisation.id, instalment_ids=[instalment.id],
            actor=actor_of(house.users["admin"]), now=repairs.at(repairs.DAY),
        )  # fmt: skip
    return [{"reference": run.reference}]

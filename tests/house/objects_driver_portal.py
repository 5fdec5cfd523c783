"""Example records of the driver's portal: a repair with its plan, a charge, a weekly receipt, a dispute."""

from __future__ import annotations

from tests.factories import actor_of, repairs
from tests.factories.people import stored
from tests.house.objects_drivers import lease_of, receipt_of
from tests.house.town import Arguments, House, example
from webapp.programs.repairs import disputing
from webapp.programs.repairs.books import Charge


def _charge(house: House) -> Charge:
    payee = house.payees["driver"]
    lease_of(payee)
    return repairs.charge(payee, "tolls", 12_00, repairs.DAY)


@example("payee.repairs.show")
def a_repair(house: House, kind: str) -> list[Arguments]:
    """The driver's repair."""
    return [{"reference": repairs.repair(lease_of(house.payees["driver"])).reference}]


@example("payee.ledger.dispute")
def a_charge(house: House, kind: str) -> list[Arguments]:
    """A charge of the driver."""
    return [{"charge_id": _charge(house).id}]


@example("payee.receipts.show", "payee.receipts.pdf", "admin.repairs.receipt_pdf")
def a_receipt(house: House, kind: str) -> list[Arguments]:
    """The driver's receipt of the first week of October; nobody has asked for its PDF."""
    _charge(house)
    return [{"number": receipt_of(house).number}]


@example("admin.repairs.decide_dispute")
def a_dispute(house: House, kind: str) -> list[Arguments]:
    """A dispute that waits for a decision."""
    charge = _charge(house)
    with stored():
        made = disputing.dispute_charge(
            organisation_id=house.organisation.id, payee_id=charge.payee_id, charge_id=charge.id,
            reason="I did not use this bridge.", actor=actor_of(house.users["driver"]), now=repairs.at(repairs.DAY),
        )  # fmt: skip
    return [{"reference": made.reference}]

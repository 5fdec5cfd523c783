"""Reads of drivers, repairs and their money for the API, narrowed to what the caller may see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import joinedload, selectinload

from webapp.api import queries
from webapp.api.queries import Viewer
from webapp.database import db, like
from webapp.kernel.errors import NotFound
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.payouts.models import Payout
from webapp.people.models import Payee, Role
from webapp.programs.repairs.books import Adjustment, Allocation, Charge, Earning, Receipt
from webapp.programs.repairs.models import (
    DriverLease,
    Instalment,
    LeaseVehicle,
    Loan,
    Medallion,
    Repair,
    Replan,
    Vehicle,
)
from webapp.programs.repairs.states import InstalmentState, RepairState


def own(query: Select[Any], model: Any, viewer: Viewer) -> Select[Any]:
    """A query of records with organisation and payee, narrowed to those of the viewer."""
    query = query.where(model.organisation_id == viewer.organisation_id)
    return query if viewer.payee_ids is None else query.where(model.payee_id.in_(viewer.payee_ids))


def _one(query: Select[Any]) -> Any:
    row = db.session.scalars(query.execution_options(populate_existing=True)).unique().one_or_none()
    if row is None:
        raise NotFound
    return row


def of_driver(query: Select[Any], model: Any, viewer: Viewer, reference: str | None) -> Select[Any]:
    """The same of one driver, where one is named; nobody's for a name that is no driver's."""
    if not reference:
        return query
    ids = select(Payee.id).where(
        Payee.organisation_id == viewer.organisation_id, Payee.reference == reference
    )
    return query.where(model.payee_id.in_(ids))


def driver(viewer: Viewer, reference: str) -> Payee:
    """A driver. Raises NotFound, also for one that the viewer is not."""
    payee = queries.payee(viewer, reference)
    if payee.kind != Role.DRIVER.value:
        raise NotFound
    return payee


def driver_ids(organisation_id: int, references: Collection[str]) -> dict[str, int]:
    """Reference -> id of drivers. Raises NotFound when one is none of the organisation's."""
    query = select(Payee.reference, Payee.id).where(
        Payee.organisation_id == organisation_id,
        Payee.kind == Role.DRIVER.value,
        Payee.reference.in_(references),
    )
    found: dict[str, int] = dict(db.session.execute(query).all())
    if len(found) != len(set(references)):
        raise NotFound
    return found


def payees_of(rows: Sequence[Any]) -> dict[int, Payee]:
    """The payees of records, by id, in one query."""
    ids = {row.payee_id for row in rows}
    return {each.id: each for each in db.session.scalars(select(Payee).where(Payee.id.in_(ids)))}


def repair(viewer: Viewer, reference: str) -> Repair:
    """A repair with everything about it. Raises NotFound, also for one that is not the viewer's."""
    query = own(select(Repair), Repair, viewer).where(Repair.reference == reference)
    found: Repair = _one(
        query.options(
            joinedload(Repair.payee),
            joinedload(Repair.lease),
            joinedload(Repair.vehicle),
            selectinload(Repair.instalments),
        )
    )
    return found


def medallion_number(medallion_id: int | None) -> str | None:
    """The number of a medallion; None for none."""
    if medallion_id is None:
        return None
    return db.session.scalar(select(Medallion.number).where(Medallion.id == medallion_id))


def replans(repair_id: int) -> Sequence[Replan]:
    """The new plans that were asked for of a repair, the oldest first."""
    return db.session.scalars(select(Replan).where(Replan.repair_id == repair_id).order_by(Replan.id)).all()


def replan(viewer: Viewer, reference: str, replan_id: int) -> Replan:
    """One of them. Raises NotFound, also for one of another repair."""
    query = own(select(Replan).join(Replan.repair), Repair, viewer)
    found: Replan = _one(query.where(Repair.reference == reference, Replan.id == replan_id))
    return found


def instalment(viewer: Viewer, reference: str) -> Instalment:
    """An instalment with what it is of. Raises NotFound, also for one that is not the viewer's."""
    query = own(select(Instalment), Instalment, viewer).where(Instalment.reference == reference)
    found: Instalment = _one(
        query.options(
            joinedload(Instalment.repair), joinedload(Instalment.loan), joinedload(Instalment.payee)
        )
    )
    return found


def known_instalments(organisation_id: int, references: Collection[str]) -> set[str]:
    """Those of the references that there are."""
    query = select(Instalment.reference).where(
        Instalment.organisation_id == organisation_id, Instalment.reference.in_(references)
    )
    return set(db.session.scalars(query))


def due_instalments(organisation_id: int, payee_ids: Sequence[int], day: date) -> Sequence[Any]:
    """(id, reference) of what is due of drivers on a day, in the order in which it is charged."""
    query = (
        select(Instalment.id, Instalment.reference)
        .outerjoin(Repair, Repair.id == Instalment.repair_id)
        .where(
            Instalment.organisation_id == organisation_id,
            Instalment.payee_id.in_(payee_ids),
            Instalment.state == InstalmentState.SCHEDULED.value,
            Instalment.week_start <= day,
            or_(Instalment.loan_id.is_not(None), Repair.state == RepairState.OPEN.value),
        )
        .order_by(Instalment.week_start, Instalment.number, Instalment.id)
    )
    return db.session.execute(query).all()


def loans(viewer: Viewer) -> Select[Any]:
    """The loans that the viewer may see."""
    return own(select(Loan), Loan, viewer).options(joinedload(Loan.payee))


def loan(viewer: Viewer, reference: str) -> Loan:
    """A loan with its instalments. Raises NotFound."""
    query = loans(viewer).where(Loan.reference == reference).options(selectinload(Loan.instalments))
    found: Loan = _one(query)
    return found


def charges(viewer: Viewer) -> Select[Any]:
    """(charge, reference of its instalment, number of its receipt) that the viewer may see."""
    query: Any = (
        select(Charge, Instalment.reference, Receipt.number)
        .outerjoin(Instalment, Instalment.id == Charge.instalment_id)
        .outerjoin(Receipt, Receipt.id == Charge.receipt_id)
    )
    return own(query, Charge, viewer)


def earnings(viewer: Viewer) -> Select[Any]:
    """(earning, number of its receipt) that the viewer may see."""
    query: Any = select(Earning, Receipt.number).outerjoin(Receipt, Receipt.id == Earning.receipt_id)
    return own(query, Earning, viewer)


def adjustments(viewer: Viewer) -> Select[Any]:
    """(adjustment, number of its receipt) that the viewer may see."""
    query: Any = select(Adjustment, Receipt.number).outerjoin(Receipt, Receipt.id == Adjustment.receipt_id)
    return own(query, Adjustment, viewer)


def applied(adjustment_ids: Sequence[int]) -> dict[int, list[Any]]:
    """Adjustment id -> (charge id, category, amount, currency) of what it covered."""
    query = (
        select(
            Allocation.adjustment_id, Charge.id, Charge.category, Allocation.amount_minor, Allocation.currency
        )
        .join(Charge, Charge.id == Allocation.charge_id)
        .where(Allocation.adjustment_id.in_(adjustment_ids))
        .order_by(Allocation.id)
    )
    found: dict[int, list[Any]] = {}
    for row in db.session.execute(query):
        found.setdefault(int(row[0] or 0), []).append(row[1:])
    return found


def postings(payee: Payee, account: str | None, first: date | None, last: date | None) -> Select[Any]:
    """The movements of a driver's accounts, to be paged by Posting.id."""
    query: Any = (
        select(
            Posting.id, Posting.entry_id, Posting.amount_minor, Posting.balance_after_minor, Posting.currency,
            Account.code, JournalEntry.effective_on, JournalEntry.kind, JournalEntry.description,
        )
        .join(Account, Account.id == Posting.account_id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(Account.organisation_id == payee.organisation_id, Account.payee_id == payee.id)
    )  # fmt: skip
    if account:
        query = query.where(Account.code == f"{account}:{payee.reference}")
    if first:
        query = query.where(JournalEntry.effective_on >= first)
    if last:
        query = query.where(JournalEntry.effective_on <= last)
    found: Select[Any] = query
    return found


def receipt(viewer: Viewer, number: str) -> Receipt:
    """A weekly receipt with its lines. Raises NotFound, also for one that is not the viewer's."""
    query = own(select(Receipt), Receipt, viewer).where(Receipt.number == number)
    found: Receipt = _one(
        query.options(joinedload(Receipt.payee), joinedload(Receipt.lease), selectinload(Receipt.lines))
    )
    return found


def corrected_by(receipt_id: int) -> str | None:
    """The number of the receipt that corrects one."""
    return db.session.scalar(select(Receipt.number).where(Receipt.replaces_id == receipt_id))


def receipt_numbers(ids: Collection[int | None]) -> dict[int | None, str]:
    """Id -> number of receipts."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    return dict(db.session.execute(select(Receipt.id, Receipt.number).where(Receipt.id.in_(wanted))).all())


def payout_references(ids: Collection[int | None]) -> dict[int | None, str]:
    """Id -> reference of payouts."""
    wanted = [each for each in ids if each is not None]
    if not wanted:
        return {}
    return dict(db.session.execute(select(Payout.id, Payout.reference).where(Payout.id.in_(wanted))).all())


def vehicles(organisation_id: int, text: str) -> Select[Any]:
    """The vehicles that match."""
    query = select(Vehicle).where(Vehicle.organisation_id == organisation_id)
    if not text:
        return query
    return query.where(or_(like(Vehicle.plate, text), like(Vehicle.vin, text)))


def vehicle(organisation_id: int, plate: str) -> Vehicle:
    """A vehicle by its plate. Raises NotFound."""
    said = " ".join(plate.split()).upper()
    found: Vehicle = _one(vehicles(organisation_id, "").where(Vehicle.plate == said))
    return found


def leases_on(vehicle_ids: Collection[int], day: date) -> dict[int, list[str]]:
    """Vehicle id -> references of the leases that it is on, on a day."""
    query = (
        select(LeaseVehicle.vehicle_id, DriverLease.reference)
        .join(DriverLease, DriverLease.id == LeaseVehicle.lease_id)
        .where(
            LeaseVehicle.vehicle_id.in_(vehicle_ids),
            LeaseVehicle.from_on <= day,
            or_(LeaseVehicle.until_on.is_(None), LeaseVehicle.until_on >= day),
            or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= day),
        )
        .order_by(DriverLease.id)
    )
    found: dict[int, list[str]] = {}
    for vehicle_id, reference in db.session.execute(query):
        found.setdefault(vehicle_id, []).append(reference)
    return found


def medallions(organisation_id: int, text: str) -> Select[Any]:
    """The medallions that match."""
    query = select(Medallion).where(Medallion.organisation_id == organisation_id)
    return query.where(like(Medallion.number, text)) if text else query


def medallion(organisation_id: int, number: str) -> Medallion:
    """A medallion by its number. Raises NotFound."""
    said = " ".join(number.split()).upper()
    found: Medallion = _one(medallions(organisation_id, "").where(Medallion.number == said))
    return found


def leases(viewer: Viewer) -> Select[Any]:
    """The leases that the viewer may see, with driver, medallion and vehicles."""
    return own(select(DriverLease), DriverLease, viewer).options(
        joinedload(DriverLease.payee),
        joinedload(DriverLease.medallion),
        selectinload(DriverLease.vehicles).joinedload(LeaseVehicle.vehicle),
    )


def lease(viewer: Viewer, reference: str) -> DriverLease:
    """A lease. Raises NotFound, also for one that is not the viewer's."""
    found: DriverLease = _one(leases(viewer).where(DriverLease.reference == reference))
    return found


def narrowed_leases(
    query: Select[Any], viewer: Viewer, *, plate: str | None, state: str | None, today: date
) -> Select[Any]:
    """A query of leases, of a vehicle and of those that run, have ended or are to come."""
    if plate:
        on = (
            select(LeaseVehicle.lease_id)
            .join(Vehicle, Vehicle.id == LeaseVehicle.vehicle_id)
            .where(Vehicle.organisation_id == viewer.organisation_id, Vehicle.plate == plate.upper())
        )
        query = query.where(DriverLease.id.in_(on))
    ended = DriverLease.ends_on < today
    if state == "running":
        query = query.where(
            DriverLease.starts_on <= today, or_(DriverLease.ends_on.is_(None), DriverLease.ends_on >= today)
        )
    elif state == "ended":
        query = query.where(ended)
    elif state == "coming":
        query = query.where(DriverLease.starts_on > today)
    return query

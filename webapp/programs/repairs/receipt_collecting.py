"""Reads what weekly receipts say on paper: a handful of queries for many receipts of one organisation. Never writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from webapp.database import among, db
from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Organisation, PayoutMethod
from webapp.programs.repairs import receipt_plans, trips
from webapp.programs.repairs.books import Charge, Receipt
from webapp.programs.repairs.models import DriverLease, LeaseVehicle, Repair, Vehicle
from webapp.programs.repairs.receipt_facts import (
    PaperGross,
    PaperInstalment,
    PaperLine,
    PaperPayment,
    PaperTrip,
    ReceiptFacts,
)
from webapp.programs.repairs.rules import Week
from webapp.programs.repairs.states import RepairState, Shift
from webapp.statements.build import clean, destination

_STANDINGS = {
    PayoutState.PENDING_APPROVAL: "It is sent once it is approved.",
    PayoutState.APPROVED: "It is approved and is sent next.",
    PayoutState.PROCESSING: "The bank has been asked to pay it.",
    PayoutState.PAID: "",
}


@dataclass(frozen=True)
class Around:
    """What stands around a receipt, read for all of them at once."""

    organisation: Organisation
    # The payout of each receipt that paid something out; a correction's is that of the first issue.
    payouts: dict[int, Payout]
    methods: dict[int, PayoutMethod]
    vehicles: dict[int, list[LeaseVehicle]]
    shared: dict[int, list[DriverLease]]
    instalments: dict[int, list[PaperInstalment]]
    disputed: dict[int, list[Charge]]
    on_hold: dict[int, list[str]]
    with_trips: frozenset[tuple[int, date]]
    numbers: dict[int, str]


def receipts_of(organisation_id: int, ids: Iterable[int]) -> Sequence[Receipt]:
    """Receipts with what their paper needs of them, in the order of their ids."""
    return db.session.scalars(
        select(Receipt)
        .where(Receipt.organisation_id == organisation_id, among(Receipt.id, list(ids)))
        .options(
            selectinload(Receipt.lines),
            joinedload(Receipt.payee, innerjoin=True),
            joinedload(Receipt.lease, innerjoin=True).joinedload(DriverLease.medallion),
        )
        .order_by(Receipt.id)
    ).all()


def around(organisation: Organisation, rows: Sequence[Receipt]) -> Around:
    """Everything beside the receipts themselves, by at most ten queries."""
    payee_ids = sorted({row.payee_id for row in rows})
    vehicles = _vehicles(rows)
    first_issues = _first_issues(rows)
    return Around(
        organisation=organisation,
        payouts=_payouts(first_issues),
        methods=_methods(payee_ids),
        vehicles=vehicles,
        shared=_shared(rows, vehicles),
        instalments=receipt_plans.instalments(first_issues),
        disputed=_disputed(first_issues),
        on_hold=_on_hold(payee_ids),
        with_trips=_with_trips(organisation.id, payee_ids),
        numbers=_numbers(rows),
    )


def facts_of(row: Receipt, with_: Around, code: str, *, tells: bool = True) -> ReceiptFacts:
    """What one receipt says; two queries more where there are trips."""
    here, payee, lease, week = with_.organisation, row.payee, row.lease, Week(row.week_start)
    vehicle = _vehicle_in(with_.vehicles.get(lease.id, []), week)
    log = trips.trips_of(here.id, payee.id, week) if (payee.id, week.start) in with_.with_trips else []
    return ReceiptFacts(
        number=row.number,
        code=code,
        issued_at=row.issued_at,
        payer_name=clean(here.legal_name),
        payer_address=here.address,
        payer_tax_id=clean(here.tax_id),
        payer_email=clean(here.contact_email),
        driver_name=clean(payee.name),
        driver_reference=clean(payee.reference),
        driver_address=payee.address,
        licence=clean(payee.external_ref or ""),
        country=here.country,
        locale=here.locale,
        timezone=here.timezone,
        home_currency=here.currency,
        currency=row.currency,
        lease=lease.reference,
        shift=Shift(lease.shift).label,
        vehicle=vehicle.plate if vehicle else "",
        medallion=lease.medallion.number if lease.medallion else "",
        period_start=week.start,
        period_end=week.end,
        opening_minor=row.opening_minor,
        earnings_minor=row.earnings_minor,
        charges_minor=row.charges_minor,
        adjustments_minor=row.adjustments_minor,
        net_minor=row.net_minor,
        paid_minor=row.paid_minor,
        kept_minor=row.closing_credit_minor,
        owed_minor=row.closing_debt_minor,
        difference_minor=row.difference_minor,
        lines=tuple(
            PaperLine(line.kind, line.category, clean(line.description), line.day, line.amount_minor)
            for line in row.lines
        ),
        gross=_gross(log),
        payment=_payment(row, with_),
        instalments=tuple(with_.instalments.get(row.id, ())),
        trips=tuple(_trip(trip, here.timezone) for trip in log),
        alerts=_alerts(row, with_),
        others=tuple(
            clean(f"{other.payee.name} ({Shift(other.shift).label.lower()})")
            for other in with_.shared.get(row.id, ())
        ),
        is_final=row.is_final,
        replaces_number=with_.numbers.get(row.replaces_id or 0, ""),
        reason=clean(row.reason),
        tells=tells,
    )


def _payouts(first_issues: dict[int, int]) -> dict[int, Payout]:
    rows = db.session.execute(
        select(Receipt.id, Payout)
        .join(Payout, Payout.id == Receipt.payout_id)
        .where(among(Receipt.id, sorted(set(first_issues.values()))))
    ).all()
    by_receipt = {row[0]: row[1] for row in rows}
    return {
        receipt_id: by_receipt[first] for receipt_id, first in first_issues.items() if first in by_receipt
    }


def _methods(payee_ids: list[int]) -> dict[int, PayoutMethod]:
    found = db.session.scalars(
        select(PayoutMethod).where(among(PayoutMethod.payee_id, payee_ids), PayoutMethod.is_current.is_(True))
    )
    return {each.payee_id: each for each in found}


def _vehicles(rows: Sequence[Receipt]) -> dict[int, list[LeaseVehicle]]:
    found: dict[int, list[LeaseVehicle]] = defaultdict(list)
    for each in db.session.scalars(
        select(LeaseVehicle)
        .where(among(LeaseVehicle.lease_id, sorted({row.lease_id for row in rows})))
        .options(joinedload(LeaseVehicle.vehicle, innerjoin=True))
        .order_by(LeaseVehicle.from_on)
    ):
        found[each.lease_id].append(each)
    return found


def _vehicle_in(known: Sequence[LeaseVehicle], week: Week) -> Vehicle | None:
    """The vehicle that was on a lease last in a week."""
    there = [each.vehicle for each in known if each.from_on <= week.end]
    return there[-1] if there else None


def _shared(rows: Sequence[Receipt], vehicles: dict[int, list[LeaseVehicle]]) -> dict[int, list[DriverLease]]:
    """Leases of other drivers of the same vehicle in the same week, by receipt."""
    mine = {row.id: _vehicle_in(vehicles.get(row.lease_id, []), Week(row.week_start)) for row in rows}
    wanted = sorted({vehicle.id for vehicle in mine.values() if vehicle is not None})
    found = db.session.execute(
        select(LeaseVehicle.vehicle_id, LeaseVehicle.from_on, LeaseVehicle.until_on, DriverLease)
        .join(DriverLease, DriverLease.id == LeaseVehicle.lease_id)
        .where(among(LeaseVehicle.vehicle_id, wanted))
        .options(joinedload(DriverLease.payee, innerjoin=True))
        .order_by(DriverLease.id)
    ).all()
    shared: dict[int, list[DriverLease]] = {}
    for row in rows:
        week, vehicle = Week(row.week_start), mine[row.id]
        shared[row.id] = [
            lease
            for vehicle_id, first, last, lease in found
            if vehicle is not None
            and vehicle_id == vehicle.id
            and lease.payee_id != row.payee_id
            and max(first, lease.starts_on) <= week.end
            and (last is None or last >= week.start)
            and (lease.ends_on is None or lease.ends_on >= week.start)
        ]
    return shared


def _first_issues(rows: Sequence[Receipt]) -> dict[int, int]:
    """The receipt that counts the charges, by receipt: the first issue of the same lease and week."""
    corrected = [row for row in rows if row.revision > 1]
    found = {row.id: row.id for row in rows if row.revision == 1}
    if corrected:
        firsts = db.session.execute(
            select(Receipt.id, Receipt.lease_id, Receipt.week_start).where(
                Receipt.revision == 1, among(Receipt.lease_id, sorted({row.lease_id for row in corrected}))
            )
        ).all()
        by_week = {(lease_id, week_start): ident for ident, lease_id, week_start in firsts}
        found |= {row.id: by_week[row.lease_id, row.week_start] for row in corrected}
    return found


def _disputed(first_issues: dict[int, int]) -> dict[int, list[Charge]]:
    rows = db.session.scalars(
        select(Charge)
        .where(among(Charge.receipt_id, sorted(set(first_issues.values()))), Charge.is_disputed.is_(True))
        .order_by(Charge.id)
    ).all()
    by_receipt: dict[int | None, list[Charge]] = defaultdict(list)
    for row in rows:
        by_receipt[row.receipt_id].append(row)
    return {receipt_id: by_receipt.get(first, []) for receipt_id, first in first_issues.items()}


def _on_hold(payee_ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = db.session.execute(
        select(Repair.payee_id, Repair.reference)
        .where(among(Repair.payee_id, payee_ids), Repair.state == RepairState.HOLD.value)
        .order_by(Repair.id)
    )
    for payee_id, reference in rows:
        found[payee_id].append(reference)
    return found


def _with_trips(organisation_id: int, payee_ids: list[int]) -> frozenset[tuple[int, date]]:
    rows = db.session.execute(
        select(trips.Trip.payee_id, trips.Trip.week_start)
        .where(trips.Trip.organisation_id == organisation_id, among(trips.Trip.payee_id, payee_ids))
        .distinct()
    )
    return frozenset((payee_id, week_start) for payee_id, week_start in rows)


def _numbers(rows: Sequence[Receipt]) -> dict[int, str]:
    replaced = [row.replaces_id for row in rows if row.replaces_id is not None]
    if not replaced:
        return {}
    found = db.session.execute(select(Receipt.id, Receipt.number).where(among(Receipt.id, replaced)))
    return {row.id: row.number for row in found}


def _gross(log: Sequence[trips.TripLine]) -> PaperGross | None:
    if not log:
        return None
    sums = {
        kind: sum(trip.total.amount for trip in log if trip.payment == kind) for kind in trips.TripPayment
    }
    card, cash = sums[trips.TripPayment.CARD], sums[trips.TripPayment.CASH]
    return PaperGross(
        trips=len(log),
        card_minor=card,
        cash_minor=cash,
        other_minor=sum(sums.values()) - card - cash,
        tips_minor=sum(trip.tip.amount for trip in log),
    )


def _trip(trip: trips.TripLine, timezone: str) -> PaperTrip:
    zone = ZoneInfo(timezone)
    return PaperTrip(
        day=trip.day,
        picked_up=f"{trip.picked_up_at.astimezone(zone):%H:%M}",
        dropped_off=f"{trip.dropped_off_at.astimezone(zone):%H:%M}",
        distance=f"{trip.distance:.2f}",
        fare_minor=trip.fare.amount,
        extras_minor=trip.surcharge.amount,
        tax_minor=trip.tax.amount,
        tip_minor=trip.tip.amount,
        tolls_minor=trip.tolls.amount,
        total_minor=trip.total.amount,
        paid_by=trip.payment.label,
    )


def _payment(row: Receipt, with_: Around) -> PaperPayment | None:
    payout = with_.payouts.get(row.id)
    if payout is None:
        return None
    state = PayoutState(payout.state)
    method = with_.methods.get(row.payee_id)
    where = destination(method.kind, method.masked) if method else ""
    is_paid = state is PayoutState.PAID
    return PaperPayment(
        payout=payout.reference,
        destination=clean(where),
        standing=_STANDINGS.get(state, state.label),
        reference=clean(payout.payment_reference or "") if is_paid else "",
        paid_on=payout.paid_on if is_paid else None,
    )


def _alerts(row: Receipt, with_: Around) -> tuple[str, ...]:
    """What the driver should know or do."""
    said = [
        f"You dispute “{clean(charge.description)}”, {Money(charge.open_minor, charge.currency).format()}: "
        "nothing is taken for it until it is decided."
        for charge in with_.disputed.get(row.id, ())
    ]
    said += [
        f"Repair {reference} is on hold: no instalment is charged."
        for reference in with_.on_hold.get(row.payee_id, ())
    ]
    if row.paid_minor and row.payee_id not in with_.methods:
        said.append("We have no payment details of you. Enter them in the portal, or nothing can be paid.")
    if not row.payee.is_active and row.closing_credit_minor:
        said.append("You are not active as a payee: what is kept for you is paid once you are.")
    return tuple(said)

"""Reading installations: lists, one record, what is due, what was blocked, totals. Never writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import contains_eager, selectinload

from webapp.database import db, get_row, like, within
from webapp.kernel.money import Money
from webapp.payouts.models import Payout, SourceClaim
from webapp.people.models import Payee, Role
from webapp.people.queries import payees_named
from webapp.programs.installations.models import (
    Installation,
    InstallationFile,
    InstallationShare,
    InstallationStatus,
    InstallationType,
)
from webapp.programs.installations.pricing import SOURCE_TYPE

PAYABLE_STATUSES = (InstallationStatus.COMMISSIONED.value, InstallationStatus.ACTIVE.value)
BASIC_TYPES = (
    ("solar", "Solar"),
    ("starlink", "Starlink"),
    ("hybrid", "Hybrid"),
    ("custom_furniture", "Custom furniture"),
)


@dataclass(frozen=True)
class InstallationFilter:
    """What a list of installations is narrowed to; empty fields narrow nothing.

    `payment` is due, in_payout, blocked or unassigned.
    """

    text: str = ""
    installation_type: str = ""
    status: str = ""
    technician: str = ""
    commissioned_from: date | None = None
    commissioned_to: date | None = None
    payment: str = ""


@dataclass(frozen=True)
class ClaimedBy:
    """The live payout that pays one technician for an installation."""

    payout_id: int
    reference: str
    state: str


def types_of(organisation_id: int) -> list[tuple[str, str]]:
    """(code, label) of the installation types of an organisation: the basic ones, then its own."""
    own = db.session.execute(
        select(InstallationType.code, InstallationType.label)
        .where(InstallationType.organisation_id == organisation_id)
        .order_by(InstallationType.label)
    )
    return list((dict(BASIC_TYPES) | dict(own.all())).items())


def technicians_of(organisation_id: int) -> Sequence[Payee]:
    """The active technicians by name."""
    return db.session.scalars(
        select(Payee)
        .where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.TECHNICIAN.value,
            Payee.is_active.is_(True),
        )
        .order_by(Payee.name, Payee.id)
    ).all()


def _is_claimed() -> Any:
    """A technician's part is in a live payout."""
    claim = exists().where(
        SourceClaim.organisation_id == Installation.organisation_id,
        SourceClaim.source_type == SOURCE_TYPE,
        SourceClaim.source_id == Installation.id,
        SourceClaim.payee_id == InstallationShare.payee_id,
        SourceClaim.released_at.is_(None),
    )
    # Said, as it may stand two questions deep: else it would look at every installation of the technician.
    return claim.correlate(Installation, InstallationShare)


def list_installations(
    organisation_id: int, chosen: InstallationFilter | None = None, *, payee_id: int | None = None
) -> Select[Any]:
    """Installations of an organisation (with `payee_id`: only those this technician is assigned to)."""
    chosen = chosen or InstallationFilter()
    query = (
        select(Installation)
        .where(Installation.organisation_id == organisation_id)
        .options(selectinload(Installation.shares).selectinload(InstallationShare.payee))
    )
    if payee_id is not None:
        query = query.where(Installation.shares.any(InstallationShare.payee_id == payee_id))
    if text := chosen.text.strip():
        columns = (
            Installation.reference,
            Installation.external_ref,
            Installation.customer_name,
            Installation.site,
        )
        query = query.where(or_(*(like(column, text) for column in columns)))
    if chosen.installation_type:
        query = query.where(Installation.installation_type == chosen.installation_type)
    if chosen.status:
        query = query.where(Installation.status == chosen.status)
    query = query.where(
        *within(Installation.commissioned_on, chosen.commissioned_from, chosen.commissioned_to)
    )
    if chosen.payment == "unassigned":
        query = query.where(~Installation.shares.any())
    return _narrow_by_share(query, organisation_id, chosen, payee_id).order_by(Installation.id.desc())


def _narrow_by_share(
    query: Select[Any], organisation_id: int, chosen: InstallationFilter, payee_id: int | None
) -> Select[Any]:
    """Technician and payment look at the same share: "due" means due to that technician."""
    conditions: list[Any] = []
    if payee_id is not None:
        conditions.append(InstallationShare.payee_id == payee_id)
    if technician := chosen.technician.strip():
        conditions.append(InstallationShare.payee_id.in_(payees_named(organisation_id, technician)))
    is_open = and_(InstallationShare.offer == "open", Installation.status.in_(PAYABLE_STATUSES))
    match chosen.payment:
        case "due":
            conditions += [is_open, ~_is_claimed()]
        case "in_payout":
            conditions.append(_is_claimed())
        case "blocked":
            conditions.append(InstallationShare.offer == "blocked")
    if not conditions:
        return query
    share = (
        exists()
        .where(InstallationShare.installation_id == Installation.id, *conditions)
        .correlate(Installation)
    )
    return query.where(share)


def get_installation(organisation_id: int, reference: str, *, payee_id: int | None = None) -> Installation:
    """One installation by its reference; with `payee_id` only if that technician is assigned. Raises NotFound."""
    query = list_installations(organisation_id, payee_id=payee_id).where(Installation.reference == reference)
    row: Installation = get_row(query)
    return row


def get_file(organisation_id: int, reference: str, file_id: int) -> InstallationFile:
    """A file of an installation. Raises NotFound."""
    return get_row(
        select(InstallationFile)
        .join(Installation, Installation.id == InstallationFile.installation_id)
        .where(
            Installation.organisation_id == organisation_id,
            Installation.reference == reference,
            InstallationFile.id == file_id,
        )
    )


def live_claims(organisation_id: int, installation_ids: Iterable[int]) -> dict[tuple[int, int], ClaimedBy]:
    """(installation id, payee id) → the live payout that pays for it."""
    ids = list(installation_ids)
    found: dict[tuple[int, int], ClaimedBy] = {}
    for start in range(0, len(ids), 500):
        query = (
            select(SourceClaim.source_id, SourceClaim.payee_id, Payout.id, Payout.reference, Payout.state)
            .join(Payout, Payout.id == SourceClaim.payout_id)
            .where(
                SourceClaim.organisation_id == organisation_id,
                SourceClaim.source_type == SOURCE_TYPE,
                SourceClaim.source_id.in_(ids[start : start + 500]),
                SourceClaim.released_at.is_(None),
            )
        )
        for source_id, payee_id, payout_id, reference, state in db.session.execute(query):
            found[source_id, payee_id] = ClaimedBy(payout_id, reference, state)
    return found


def _shares(organisation_id: int) -> Select[Any]:
    return (
        select(InstallationShare)
        .join(Installation, Installation.id == InstallationShare.installation_id)
        .join(Payee, Payee.id == InstallationShare.payee_id)
        .where(Installation.organisation_id == organisation_id)
        .options(
            contains_eager(InstallationShare.installation).selectinload(Installation.shares),
            contains_eager(InstallationShare.payee),
        )
    )


def due_shares(
    organisation_id: int, today: date, *, payee_id: int | None = None
) -> Sequence[InstallationShare]:
    """Parts that are to be paid: commissioned or active, offered, of an active technician, in no live payout."""
    query = _shares(organisation_id).where(
        Installation.status.in_(PAYABLE_STATUSES),
        Installation.commissioned_on <= today,
        InstallationShare.offer == "open",
        Payee.is_active.is_(True),
        ~_is_claimed(),
    )
    if payee_id is not None:
        query = query.where(InstallationShare.payee_id == payee_id)
    query = query.order_by(Payee.name, Payee.id, Installation.commissioned_on, Installation.id)
    return db.session.scalars(query).unique().all()


def blocked_shares(organisation_id: int) -> Sequence[InstallationShare]:
    """Parts whose payout was rejected or cancelled; a person says whether they are offered again."""
    query = _shares(organisation_id).where(InstallationShare.offer == "blocked")
    return db.session.scalars(query.order_by(Payee.name, Installation.id)).unique().all()


def count_blocked(organisation_id: int) -> int:
    """How many parts wait for that decision."""
    query = (
        select(func.count())
        .select_from(InstallationShare)
        .join(Installation, Installation.id == InstallationShare.installation_id)
        .where(Installation.organisation_id == organisation_id, InstallationShare.offer == "blocked")
    )
    return db.session.scalar(query) or 0


def get_share(organisation_id: int, share_id: int) -> InstallationShare:
    """A technician's part. Raises NotFound."""
    row: InstallationShare = get_row(_shares(organisation_id).where(InstallationShare.id == share_id))
    return row


@dataclass(frozen=True)
class TechnicianTotal:
    """What one technician did and got, in one currency. Sums are the database's."""

    payee_id: int
    reference: str
    name: str
    installations: int
    currency: str
    to_approve: Money
    approved: Money
    paid: Money
    returned: Money

    @property
    def open(self) -> Money:
        """Not paid yet, but in a live payout."""
        return self.to_approve + self.approved + self.returned


_GROUPS = {
    "pending_approval": "to_approve",
    "approved": "approved",
    "processing": "approved",
    "failed": "approved",
    "retry_scheduled": "approved",
    "paid": "paid",
    "reversed": "returned",
}


def totals_by_technician(
    organisation_id: int, currency: str, *, period_from: date | None = None, period_to: date | None = None
) -> list[TechnicianTotal]:
    """Installations and payouts of every technician who has any, the highest paid first.

    The period is that of the payouts (their last day) and of the installations (their commissioning).
    """
    sums: dict[tuple[int, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for payee_id, code, state, amount in db.session.execute(
        _payout_sums(organisation_id, period_from, period_to)
    ):
        if group := _GROUPS.get(state):
            sums[payee_id, code][group] += int(amount)
    counts: dict[int, int] = dict(db.session.execute(_counts(organisation_id, period_from, period_to)).all())
    known = {payee_id for payee_id, _ in sums}
    for payee_id in counts:
        if payee_id not in known:
            sums[payee_id, currency] = defaultdict(int)
    people = db.session.execute(
        select(Payee.id, Payee.reference, Payee.name).where(
            Payee.organisation_id == organisation_id, Payee.kind == Role.TECHNICIAN.value
        )
    )
    names = {payee_id: (reference, name) for payee_id, reference, name in people}
    rows = [
        TechnicianTotal(
            payee_id,
            *names[payee_id],
            counts.get(payee_id, 0),
            code,
            *(Money(groups[g], code) for g in ("to_approve", "approved", "paid", "returned")),
        )
        for (payee_id, code), groups in sums.items()
        if payee_id in names
    ]
    return sorted(rows, key=lambda row: (-row.paid.amount, -row.open.amount, row.name))


def _payout_sums(organisation_id: int, period_from: date | None, period_to: date | None) -> Any:
    query = select(Payout.payee_id, Payout.currency, Payout.state, func.sum(Payout.amount_minor)).where(
        Payout.organisation_id == organisation_id,
        Payout.program == "installations",
        *within(Payout.period_end, period_from, period_to),
    )
    return query.group_by(Payout.payee_id, Payout.currency, Payout.state)


def _counts(organisation_id: int, period_from: date | None, period_to: date | None) -> Any:
    query = (
        select(InstallationShare.payee_id, func.count())
        .join(Installation, Installation.id == InstallationShare.installation_id)
        .where(
            Installation.organisation_id == organisation_id,
            *within(Installation.commissioned_on, period_from, period_to),
        )
    )
    return query.group_by(InstallationShare.payee_id)


def types_in_use(organisation_id: int) -> list[str]:
    """Codes of all types that exist or that an installation carries."""
    used = db.session.scalars(
        select(Installation.installation_type)
        .where(Installation.organisation_id == organisation_id)
        .distinct()
    )
    return sorted({code for code, _ in types_of(organisation_id)} | set(used))

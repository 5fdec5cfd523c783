"""Changes to installations: create, update, status, shares, offers, settings and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.clock import local_date
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid, StaleVersion
from webapp.people.models import Organisation, Payee, Role
from webapp.people.numbers import next_number
from webapp.programs.installations import carrying, queries
from webapp.programs.installations.drafts import InstallationDraft, ShareDraft
from webapp.programs.installations.models import (
    Installation,
    InstallationSettings,
    InstallationShare,
    InstallationStatus,
    InstallationType,
    RangeMode,
)
from webapp.programs.installations.retention_rules import MOST_BP, MOST_DAYS, RetentionTerms
from webapp.programs.installations.terms import say_number

_S = InstallationStatus
# Forward as work goes on, one step back to correct a mistake.
STATUS_STEPS: dict[InstallationStatus, tuple[InstallationStatus, ...]] = {
    _S.PENDING: (_S.IN_PROGRESS, _S.COMMISSIONED),
    _S.IN_PROGRESS: (_S.COMMISSIONED, _S.PENDING),
    _S.COMMISSIONED: (_S.ACTIVE, _S.IN_PROGRESS, _S.DECOMMISSIONED),
    _S.ACTIVE: (_S.DECOMMISSIONED, _S.COMMISSIONED),
    _S.DECOMMISSIONED: (_S.ACTIVE,),
}
# What an amount comes from: frozen while a part of it is in a live payout.
PRICED_FIELDS = (
    "installation_type",
    "capacity_unit",
    "currency",
    "size",
    "order_value_minor",
    "commissioned_on",
    "quality_check",
)
PLAIN_FIELDS = ("customer_name", "site", "external_ref")


def today_of(organisation_id: int, now: datetime) -> date:
    """The organisation's own calendar day."""
    return local_date(now, db.session.get_one(Organisation, organisation_id).timezone)


def record(
    action: str,
    installation: Installation,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any],
    note: str = "",
) -> None:
    """One event of an installation's audit trail."""
    audit.record(
        tag=f"installations:installation:{action}",
        actor=actor,
        now=now,
        organisation_id=installation.organisation_id,
        subject_type="installation",
        subject_id=installation.id,
        subject_label=installation.reference,
        changes=changes,
        note=note,
    )


def plain(value: Any) -> Any:
    """A value as the audit trail keeps it: JSON, exact."""
    if isinstance(value, Decimal):
        return say_number(value)
    return str(value) if isinstance(value, date) else value


def create_installation(
    *,
    organisation_id: int,
    draft: InstallationDraft,
    actor: Actor,
    now: datetime,
    is_audited: bool = True,
    is_checked: bool = False,
) -> Installation:
    """A new installation, numbered ISR-000001 and on. Raises Invalid.

    An import writes one audit event for the whole file (`is_audited=False`) and has checked the draft
    against types and technicians that it read once (`is_checked=True`).
    """
    if not is_checked:
        draft.check(types=set(dict(queries.types_of(organisation_id))), today=today_of(organisation_id, now))
        _check_technicians(organisation_id, draft.shares)
    values = asdict(replace(draft, shares=()))
    values.pop("shares")
    installation = Installation(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "ISR", 6),
        created_by_id=actor.user_id,
        created_by_label=actor.label,
        edited_by_id=actor.user_id,
        created_at=now,
        **values,
    )
    installation.shares = [InstallationShare(payee_id=s.payee_id, weight=s.weight) for s in draft.shares]
    try:
        with db.session.begin_nested():
            db.session.add(installation)
    except IntegrityError as error:
        raise Invalid("external_ref", f"There is an installation {draft.external_ref!r} already.") from error
    if is_audited:
        record("created", installation, actor, now, {"type": [None, draft.installation_type]})
    return installation


def _check_technicians(organisation_id: int, shares: Sequence[ShareDraft]) -> None:
    ids = {share.payee_id for share in shares}
    known = set(
        db.session.scalars(
            select(Payee.id).where(
                Payee.organisation_id == organisation_id,
                Payee.kind == Role.TECHNICIAN.value,
                Payee.id.in_(ids),
            )
        )
    )
    if ids - known:
        raise Invalid("shares", "A technician is not one of this organisation.")


def _locked(organisation_id: int, reference: str) -> Installation:
    own = Installation.organisation_id == organisation_id
    return lock_row(Installation, own, Installation.reference == reference)


def _refuse_when_in_payout(installation: Installation, what: str) -> None:
    claims = queries.live_claims(installation.organisation_id, [installation.id])
    if claims:
        names = ", ".join(sorted({claim.reference for claim in claims.values()}))
        raise Conflict(
            f"{installation.reference} is in payout {names}, so its {what} cannot change. "
            "Reject or cancel the payout first, then change it and have it offered again."
        )


def _refuse_when_released(installation: Installation) -> None:
    """What was released or charged before is taken off the next payout, which has to have its currency."""
    found = carrying.earlier_of(installation.organisation_id, [installation.id])
    if found:
        names = ", ".join(sorted({one.payout for one in found.values()}))
        raise Conflict(
            f"A part of what was held back of {installation.reference} with {names} was released or charged, "
            "so its currency cannot change."
        )


def update_installation(
    *,
    organisation_id: int,
    reference: str,
    draft: InstallationDraft,
    expected_version: int | None,
    actor: Actor,
    now: datetime,
    is_audited: bool = True,
) -> Installation:
    """Change an installation; what its amount comes from only while no live payout has a part of it.

    The status stays (see `change_status`). Raises NotFound, Invalid, StaleVersion, Conflict.
    """
    row = _locked(organisation_id, reference)
    if expected_version is not None and row.version != expected_version:
        raise StaleVersion(
            f"Somebody changed {reference} since you opened it. Look at the change, then try again."
        )
    draft = replace(draft, status=row.status)
    draft.check(types=set(queries.types_in_use(organisation_id)), today=today_of(organisation_id, now))
    _check_technicians(organisation_id, draft.shares)
    changes = {
        name: [plain(getattr(row, name)), plain(getattr(draft, name))]
        for name in (*PRICED_FIELDS, *PLAIN_FIELDS)
        if getattr(row, name) != getattr(draft, name)
    }
    shares = _share_change(row, draft.shares)
    if shares or any(name in changes for name in PRICED_FIELDS):
        _refuse_when_in_payout(row, "figures and shares")
        row.edited_by_id = actor.user_id
    if "currency" in changes:
        _refuse_when_released(row)
    if not changes and not shares:
        return row
    for name in changes:
        setattr(row, name, getattr(draft, name))
    if shares:
        _set_shares(row, draft.shares)
        changes["shares"] = shares
    row.version += 1
    _flush_unique(draft.external_ref)
    if is_audited:
        record("changed", row, actor, now, changes)
    return row


def _flush_unique(external_ref: str | None) -> None:
    try:
        with db.session.begin_nested():
            db.session.flush()
    except IntegrityError as error:
        raise Invalid("external_ref", f"There is another installation {external_ref!r}.") from error


def _share_change(row: Installation, shares: Sequence[ShareDraft]) -> list[Any] | None:
    before = {str(s.payee_id): s.weight for s in row.shares}
    after = {str(s.payee_id): s.weight for s in shares}
    return None if before == after else [before, after]


def _set_shares(row: Installation, shares: Sequence[ShareDraft]) -> None:
    """Keep the rows of technicians who stay, so that a blocked part stays blocked."""
    wanted = {share.payee_id: share.weight for share in shares}
    for existing in list(row.shares):
        if existing.payee_id not in wanted:
            row.shares.remove(existing)
        else:
            existing.weight = wanted.pop(existing.payee_id)
    row.shares.extend(InstallationShare(payee_id=p, weight=w) for p, w in wanted.items())


def change_status(
    *,
    organisation_id: int,
    reference: str,
    status: str,
    actor: Actor,
    now: datetime,
    commissioned_on: date | None = None,
) -> Installation:
    """Move an installation along its life. Commissioning needs a date, not in the future.

    Repeating a step that was made changes nothing. Raises NotFound, Invalid, IllegalTransition, Conflict.
    """
    row = _locked(organisation_id, reference)
    try:
        target = InstallationStatus(status)
    except ValueError:
        raise Invalid("status", f"{status!r} is not a status.", "commissioned") from None
    if row.status == target:
        return row
    current = InstallationStatus(row.status)
    if target not in STATUS_STEPS[current]:
        raise IllegalTransition(current.label.lower(), f"make {target.label.lower()}", "installation")
    is_back = target in (_S.PENDING, _S.IN_PROGRESS) and current in (_S.COMMISSIONED, _S.ACTIVE)
    if is_back:
        _refuse_when_in_payout(row, "commissioning")
    changes: dict[str, Any] = {"status": [row.status, target.value]}
    if target is _S.COMMISSIONED and current in (_S.PENDING, _S.IN_PROGRESS):
        day = commissioned_on or row.commissioned_on
        _check_commissioning(day, today_of(organisation_id, now))
        changes["commissioned_on"] = [plain(row.commissioned_on), plain(day)]
        row.commissioned_on, row.edited_by_id = day, actor.user_id
    row.status = target.value
    row.version += 1
    record("status_changed", row, actor, now, changes)
    return row


def _check_commissioning(day: date | None, today: date) -> None:
    if day is None:
        raise Invalid("commissioned_on", "Enter the day on which it was commissioned.", str(today))
    if day > today:
        raise Invalid("commissioned_on", f"{day} lies in the future.", str(today))


def settle_offer(
    *, organisation_id: int, share_id: int, choice: str, actor: Actor, now: datetime, note: str = ""
) -> InstallationShare:
    """Decide about a part whose payout was rejected or cancelled: "fix" offers it again, "dismiss" never does.

    Raises NotFound, Invalid, and Conflict when it is not waiting for a decision.
    """
    if choice not in ("fix", "dismiss"):
        raise Invalid("choice", "Choose fix or dismiss.", "fix")
    share = queries.get_share(organisation_id, share_id)
    offer = "open" if choice == "fix" else "dismissed"
    if share.offer == offer:
        return share
    if share.offer == "open":
        raise Conflict(f"{share.installation.reference} is offered again already.")
    reason, share.offer_reason = share.offer_reason, note.strip() or share.offer_reason
    before, share.offer = share.offer, offer
    changes = {"offer": [before, offer], "technician": [share.payee.reference, share.payee.reference]}
    record("offer_settled", share.installation, actor, now, changes, note=note or reason)
    return share


def save_settings(
    *,
    organisation_id: int,
    range_mode: str,
    is_progressive: bool,
    is_automatic: bool,
    minimum_payout_minor: int,
    actor: Actor,
    now: datetime,
    retention: RetentionTerms = RetentionTerms(),  # noqa: B008 - it is frozen
) -> InstallationSettings:
    """How the organisation reads ranges, creates payouts and holds back a part of them. Raises Invalid."""
    if range_mode not in list(RangeMode):
        raise Invalid("range_mode", f"{range_mode!r} is not a way to read a range.", "half_open or inclusive")
    if minimum_payout_minor < 0:
        raise Invalid("minimum_payout", "The minimum is not negative.", "50.00")
    wanted = {
        "range_mode": str(range_mode),
        "is_progressive": is_progressive,
        "is_automatic": is_automatic,
        "minimum_payout_minor": minimum_payout_minor,
    }
    return _store_settings(organisation_id, wanted | _terms(retention), actor, now)


def save_terms(
    *, organisation_id: int, retention: RetentionTerms, actor: Actor, now: datetime
) -> InstallationSettings:
    """How much of an installation is held back, and how long; the other settings stay. Raises Invalid."""
    return _store_settings(organisation_id, _terms(retention), actor, now)


def _terms(retention: RetentionTerms) -> dict[str, Any]:
    if not 0 <= retention.basis_points <= MOST_BP:
        raise Invalid(
            "retention", f"Enter per cent from 0 to {MOST_BP // 100}, with at most two decimals.", "10"
        )
    if not 0 <= retention.days <= MOST_DAYS:
        raise Invalid("retention_days", f"Enter a whole number of days from 0 to {MOST_DAYS:,}.", "90")
    if retention.basis_points and not retention.days:
        raise Invalid("retention_days", "Say for how many days it is held back.", "90")
    return {"retention_bp": retention.basis_points, "retention_days": retention.days}


def _store_settings(
    organisation_id: int, wanted: dict[str, Any], actor: Actor, now: datetime
) -> InstallationSettings:
    row = db.session.get(InstallationSettings, organisation_id)
    if row is None:
        row = InstallationSettings(
            organisation_id=organisation_id, range_mode="half_open", is_progressive=False,
            is_automatic=True, minimum_payout_minor=0, retention_bp=0, retention_days=0,
        )  # fmt: skip
        db.session.add(row)
    changes = {n: [getattr(row, n), value] for n, value in wanted.items() if getattr(row, n) != value}
    for name, value in wanted.items():
        setattr(row, name, value)
    if changes:
        audit.record(
            tag="installations:settings:changed",
            actor=actor,
            now=now,
            organisation_id=organisation_id,
            subject_type="installation_settings",
            subject_id=organisation_id,
            subject_label="Installations",
            changes=changes,
        )
    db.session.flush()
    return row


def add_type(*, organisation_id: int, code: str, label: str, actor: Actor, now: datetime) -> InstallationType:
    """A further installation type of the organisation. Raises Invalid."""
    code, label = code.strip().lower().replace(" ", "_").replace("-", "_"), " ".join(label.split())
    if not code.replace("_", "").isalnum() or not code.isascii() or len(code) > 60:
        raise Invalid("code", "A type has small letters, digits and underscores.", "battery_storage")
    if not label or len(label) > 120:
        raise Invalid("label", "Enter a name of up to 120 characters.", "Battery storage")
    if code in dict(queries.types_of(organisation_id)):
        raise Invalid("code", f"There is a type {code!r} already.", "battery_storage")
    row = InstallationType(organisation_id=organisation_id, code=code, label=label)
    db.session.add(row)
    db.session.flush()
    audit.record(
        tag="installations:type:added",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="installation_type",
        subject_id=row.id,
        subject_label=label,
    )
    return row

"""Retention: what is held back with a payout, released in a payout of its own, or charged back with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import NotRequired, TypedDict, Unpack

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.orm import joinedload

from webapp.audit.changes import Trail, check_version
from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.checks import need_reason
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.drafts import ExclusionDraft, LineDraft, SourceDraft
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.people.models import Payee
from webapp.programs.installations import carrying
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import HeldBack, RetentionState
from webapp.programs.installations.service import today_of
from webapp.programs.installations.terms import say_money

PROGRAM, COST_ACCOUNT, SOURCE_TYPE = "installations", "expense:installations", "installation_retention"
_trail = Trail(PROGRAM)


def store(payout: Payout, parts: Sequence[tuple[int, HeldBack]], now: datetime) -> None:
    """Write what a new payout holds back, by installation; the payout has a line for each.

    What was released or charged with a payout that was cancelled is this payout's from now on. Raises Conflict where
    that has just changed.
    """
    for installation_id, held in parts:
        if held.earlier is not None:
            carrying.take_over(payout, held, held.earlier, now)
            continue
        db.session.add(
            Retention(
                organisation_id=payout.organisation_id, payee_id=payout.payee_id, installation_id=installation_id,
                payout_id=payout.id, currency=held.amount.currency, amount_minor=held.amount.amount,
                rate_bp=held.basis_points, release_on=held.release_on, created_at=now,
            )
        )  # fmt: skip
    db.session.flush()


def cancel(payout: Payout) -> None:
    """The payout was rejected or cancelled: nothing is held back of it, or its release did not happen.

    What was charged or released of it stays with it; the next payout of the installation bears it.
    """
    db.session.execute(
        update(Retention)
        .where(Retention.payout_id == payout.id, Retention.state == RetentionState.HELD.value)
        .values(state=RetentionState.CANCELLED.value, version=Retention.version + 1)
        .execution_options(synchronize_session="fetch")
    )
    words = f"{payout.reference} was {PayoutState(payout.state).label.lower()}: {payout.reason or 'no reason given'}"
    ended = select(Payout.id).where(
        Payout.organisation_id == payout.organisation_id, Payout.state.in_(carrying.ENDED)
    )
    db.session.execute(
        update(Retention)
        .where(Retention.release_payout_id == payout.id)
        .values(
            # Without a payout that it is held back of there is nothing to release any more.
            state=case(
                (Retention.payout_id.in_(ended), RetentionState.CANCELLED.value), else_=RetentionState.HELD.value
            ),
            release_payout_id=None, settled_at=None, offer="blocked",
            offer_reason=words[:300], version=Retention.version + 1,
        )
        .execution_options(synchronize_session="fetch")
    )  # fmt: skip


def _is_due(organisation_id: int, today: date) -> list[ColumnElement[bool]]:
    """Held, its day has come, nobody blocked it, and the payout that it was held back of is paid."""
    return [
        Retention.organisation_id == organisation_id,
        Retention.state == RetentionState.HELD.value,
        Retention.offer == "open",
        Retention.release_on <= today,
        Payout.state == PayoutState.PAID.value,
    ]


def payees_due(organisation_id: int, now: datetime) -> list[Payee]:
    """Active technicians to whom something is released today; not who waits for the smallest payout alone."""
    due = _is_due(organisation_id, today_of(organisation_id, now))
    policy, _ = policies.current_policy(organisation_id)
    left = func.sum(Retention.amount_minor - Retention.charged_minor)
    chosen = (
        select(Retention.payee_id)
        .join(Payout, Payout.id == Retention.payout_id)
        .where(*due)
        .group_by(Retention.payee_id, Retention.currency)
        .having(or_(Retention.currency != policy.currency, left >= policy.minimum_minor))
    )
    query = select(Payee).where(Payee.id.in_(chosen), Payee.is_active).order_by(Payee.id)
    return list(db.session.scalars(query))


def release_for(
    *, organisation_id: int, payee_id: int, actor: Actor, now: datetime, run_id: int | None = None
) -> tuple[list[Payout], str]:
    """Everything of one technician whose day has come: a payout per currency, and what waits and why.

    Done again it makes nothing: what is in a payout is not held any more.
    """
    db.session.execute(select(Payee.id).where(Payee.id == payee_id).with_for_update())
    rows = db.session.scalars(
        select(Retention)
        .join(Payout, Payout.id == Retention.payout_id)
        .where(*_is_due(organisation_id, today_of(organisation_id, now)), Retention.payee_id == payee_id)
        .options(
            joinedload(Retention.installation), joinedload(Retention.payout), joinedload(Retention.payee)
        )
        .order_by(Retention.id)
        .with_for_update(of=Retention)
        .execution_options(populate_existing=True)
    )
    groups: dict[str, list[Retention]] = defaultdict(list)
    for row in rows:
        groups[row.currency].append(row)
    made, waiting = [], []
    policy, _ = policies.current_policy(organisation_id)
    for currency, group in sorted(groups.items()):
        amount = Money(sum(_left(row) for row in group), currency)
        if policy.currency == currency and amount.amount < policy.minimum_minor:
            least = say_money(Money(policy.minimum_minor, currency))
            waiting.append(f"{say_money(amount)} is below the smallest payout of {least}; it waits for more.")
        else:
            made.append(_release(group, currency, actor, now, run_id))
    return made, " ".join(waiting) or ("" if made else "Nothing is to be released any more.")


def _left(row: Retention) -> int:
    return row.amount_minor - row.charged_minor


def _release(
    rows: Sequence[Retention], currency: str, actor: Actor, now: datetime, run_id: int | None
) -> Payout:
    editors = sorted({row.edited_by_id for row in rows if row.edited_by_id is not None})
    payout = payouts.create(
        organisation_id=rows[0].organisation_id,
        program=PROGRAM,
        payee_id=rows[0].payee_id,
        currency=currency,
        lines=[_line(row) for row in rows],
        sources=[SourceDraft(SOURCE_TYPE, row.id) for row in rows],
        period_start=min(row.release_on for row in rows),
        period_end=max(row.release_on for row in rows),
        cost_account=COST_ACCOUNT,
        exclusions=[ExclusionDraft(user, "changed what was held back") for user in editors],
        is_automatic=True,
        actor=actor,
        now=now,
        run_id=run_id,
    )
    for row in rows:
        row.state, row.release_payout_id, row.settled_at = RetentionState.RELEASED.value, payout.id, now
        row.version += 1
    db.session.flush()
    return payout


def _line(row: Retention) -> LineDraft:
    held, charged = Money(row.amount_minor, row.currency), Money(row.charged_minor, row.currency)
    formula = (
        f"{say_money(held)} − {say_money(charged)} charged back: {row.reason}" if row.charged_minor else ""
    )
    return LineDraft(
        kind="earning",
        description=f"{row.installation.reference} released: held back with {row.payout.reference}",
        amount_minor=_left(row),
        occurred_on=row.release_on,
        formula=formula[:300],
        source_type=SOURCE_TYPE,
        source_id=row.id,
        source_label=row.installation.reference,
    )


def find(organisation_id: int, retention_id: int) -> Retention:
    """One that was held back. Raises NotFound."""
    row = db.session.get(Retention, retention_id)
    if row is None or row.organisation_id != organisation_id:
        raise NotFound
    return row


class Asked(TypedDict):
    """Which one, why (the technician reads it), by whom and when; and the version that the person saw."""

    organisation_id: int
    retention_id: int
    reason: str
    actor: Actor
    now: datetime
    expected_version: NotRequired[int | None]


def charge(*, amount_minor: int, **asked: Unpack[Asked]) -> Retention:
    """Keep a part of what is held back, or all of it, for a reason that the technician reads.

    Raises NotFound, Invalid, StaleVersion, Conflict once it is not held any more, or before its payout is paid.
    """
    with _changing("charged", asked) as (row, changes):
        if row.payout.state != PayoutState.PAID:
            raise Conflict(
                f"{row.payout.reference} is not paid, so nothing of it is kept. Wait for it, or reject or cancel it."
            )
        left = Money(_left(row), row.currency)
        if not 0 < amount_minor <= left.amount:
            raise Invalid("amount", f"Enter an amount of at most {left.format()}.", left.plain)
        reason = need_reason(asked["reason"], "The inverter was wired again.", "retention")
        row.reason = "; ".join(filter(None, (row.reason, reason)))[:2000]
        changes["charged"] = [row.charged_minor, row.charged_minor + amount_minor]
        row.charged_minor += amount_minor
        if row.charged_minor == row.amount_minor:
            row.state, row.settled_at = RetentionState.CHARGED.value, asked["now"]
    return row


def set_day(*, release_on: date, **asked: Unpack[Asked]) -> Retention:
    """Release earlier or later than agreed; one whose release was rejected is offered again by it.

    Raises NotFound, Invalid, StaleVersion, Conflict once it is not held any more.
    """
    with _changing("day_set", asked) as (row, changes):
        today = today_of(row.organisation_id, asked["now"])
        if release_on < today:
            raise Invalid("release_on", "This day is over. Enter today or a later one.", today.isoformat())
        need_reason(asked["reason"], "The customer signed the final report.", "retention")
        changes["release_on"] = [row.release_on.isoformat(), release_on.isoformat()]
        if row.offer != "open":
            changes["offer"] = [row.offer, "open"]
        row.release_on, row.offer, row.offer_reason = release_on, "open", ""
    return row


@contextmanager
def _changing(word: str, asked: Asked) -> Iterator[tuple[Retention, dict[str, object]]]:
    """One that is still held, and what is changed of it, to be filled; afterwards both are kept."""
    row = _held(asked["organisation_id"], asked["retention_id"], asked.get("expected_version"))
    changes: dict[str, object] = {}
    yield row, changes
    row.version += 1
    row.edited_by_id = asked["actor"].user_id
    db.session.flush()
    label, reason = row.installation.reference, asked["reason"].strip()
    _trail.record("retention", word, row, label, asked["actor"], asked["now"], changes, reason)


def _held(organisation_id: int, retention_id: int, expected_version: int | None) -> Retention:
    row = lock_row(Retention, Retention.organisation_id == organisation_id, Retention.id == retention_id)
    check_version(row, row.installation.reference, expected_version)
    if row.state != RetentionState.HELD:
        state = RetentionState(row.state).label.lower()
        raise Conflict(
            f"What was held back for {row.installation.reference} is {state} already; nothing was done."
        )
    return row

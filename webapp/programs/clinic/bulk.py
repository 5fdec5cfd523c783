"""Payouts of many invoices as a run: the rules of one by one, written with a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import selectinload

from webapp.audit import service as audit
from webapp.database import db
from webapp.kernel.actor import SCHEDULER, Actor
from webapp.kernel.clock import month_bounds
from webapp.kernel.errors import Conflict
from webapp.kernel.ids import digest
from webapp.kernel.money import Money
from webapp.payouts import policies, wallet_many
from webapp.payouts.models import Payout
from webapp.payouts.wallet import WalletPayout
from webapp.payouts.wallet_many import WalletDraft
from webapp.people.models import Payee
from webapp.people.numbers import next_numbers
from webapp.programs.clinic import paying, planning, trail, wallets
from webapp.programs.clinic.commission_rules import load_rules
from webapp.programs.clinic.drafts import PROGRAM
from webapp.programs.clinic.models import (
    Appointment,
    AppointmentPractitioner,
    ClinicPayout,
    ClinicTransaction,
    Invoice,
    PartMode,
)
from webapp.programs.clinic.planning import Part, PayoutPlan
from webapp.programs.clinic.rules import Rule
from webapp.programs.clinic.settings import settings_of
from webapp.programs.clinic.states import PAID_STATES, About, InvoiceState
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow
from webapp.runs.service import RowDraft, RowResult

KIND = "clinic.payouts"
SUBJECT = "clinic_invoice"
#: A schedule makes one run of at most so many; the rest follows with the next one.
MOST_INVOICES = 20_000


def draft_run(
    *, organisation_id: int, invoice_ids: Sequence[int], actor: Actor, now: datetime, title: str = ""
) -> Run:
    """Keep chosen invoices for the check step of a run that makes their payouts. Raises Invalid when there are none."""
    rows = db.session.execute(
        select(Invoice.id, Invoice.number)
        .where(Invoice.organisation_id == organisation_id, Invoice.id.in_(list(invoice_ids)))
        .order_by(Invoice.id)
    ).all()
    return runs.create_draft(
        organisation_id=organisation_id,
        kind=KIND,
        title=title or f"Payouts of {len(rows)} invoices",
        rows=[RowDraft(SUBJECT, invoice_id, number) for invoice_id, number in rows],
        actor=actor,
        now=now,
    )


def due_invoices(organisation_id: int) -> list[int]:
    """Invoices that a schedule pays out: paid, about an appointment with a practitioner, without a live payout.

    One whose payout was rejected or cancelled waits until a person offers it again. Where payouts are made pro rata,
    those of which something came in since their last payout are among them.
    """
    settings = settings_of(organisation_id)
    is_pro_rata = settings.part_mode == PartMode.PRO_RATA
    states = [*PAID_STATES, *([InvoiceState.PARTIAL] if is_pro_rata else [])]
    query = select(Invoice).where(
        Invoice.organisation_id == organisation_id,
        Invoice.state.in_([state.value for state in states]),
        Invoice.about == About.APPOINTMENT.value,
        Invoice.offer == "open",
    )
    live = exists().where(ClinicPayout.invoice_id == Invoice.id, ClinicPayout.released_at.is_(None))
    if not is_pro_rata:
        return list(
            db.session.scalars(
                query.where(~live).with_only_columns(Invoice.id).order_by(Invoice.id).limit(MOST_INVOICES)
            )
        )
    found = db.session.scalars(query.order_by(Invoice.id).limit(MOST_INVOICES)).all()
    paid = _live_by_invoice([invoice.id for invoice in found])
    return [
        invoice.id
        for invoice in found
        if planning.due(invoice, paid.get(invoice.id, []), settings) is not None
    ]


def _live_by_invoice(ids: Sequence[int]) -> dict[int, list[ClinicPayout]]:
    found: dict[int, list[ClinicPayout]] = {}
    rows = db.session.scalars(
        select(ClinicPayout)
        .where(ClinicPayout.invoice_id.in_(ids), ClinicPayout.released_at.is_(None))
        .order_by(ClinicPayout.id)
    )
    for row in rows:
        found.setdefault(row.invoice_id, []).append(row)
    return found


def pay_row(run: Run, row: RunRow, actor: Actor, now: datetime) -> RowResult:
    """Make the payouts of one invoice; a guard that refuses is the row's reason."""
    made = paying.create_payout(
        organisation_id=run.organisation_id, number=row.subject_label, actor=actor, now=now, run_id=run.id
    )
    return RowResult(RowOutcome.SKIPPED if made.is_repeat else RowOutcome.DONE, made.message)


def pay_rows(run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> Mapping[int, RowResult]:
    """Make the payouts of many invoices at once; a row that is out of the ordinary is left to be made by itself.

    Raises Conflict or NotAllowed, and then every row is worked on by itself.
    """
    batch = Batch(run, rows, actor, now)
    batch.decide()
    batch.write()
    return batch.results


@dataclass(frozen=True)
class Preview:
    """What a run would do now: what is paid, and what is not with its reason."""

    ready: tuple[PayoutPlan, ...]
    # Number of the invoice, and why nothing is paid for it.
    skipped: tuple[tuple[str, str], ...]

    def sums(self) -> list[tuple[Money, Money, Money]]:
        """Base, commission and amount of all that is ready, by currency."""
        found: dict[str, tuple[int, int, int]] = {}
        for plan in self.ready:
            for part in plan.parts:
                before = found.get(plan.invoice.currency, (0, 0, 0))
                now = (part.cut.base.amount, part.cut.commission.amount, part.cut.amount.amount)
                found[plan.invoice.currency] = (before[0] + now[0], before[1] + now[1], before[2] + now[2])
        return [
            (Money(base, currency), Money(commission, currency), Money(amount, currency))
            for currency, (base, commission, amount) in sorted(found.items())
        ]


def preview(run: Run) -> Preview:
    """What a run that waits for its confirmation would pay, and what not; nothing is locked or written."""
    rows = db.session.scalars(select(RunRow).where(RunRow.run_id == run.id).order_by(RunRow.position)).all()
    batch = Batch(run, rows, SCHEDULER, run.created_at)
    batch.decide(is_locking=False)
    ready = {row.id: plan for row, plan in (*batch.plans, *batch.by_themselves)}
    return Preview(
        tuple(ready[row.id] for row in rows if row.id in ready),
        tuple((row.subject_label, batch.results[row.id].message) for row in rows if row.id in batch.results),
    )


class Batch:
    """The invoices of one batch, locked; first all is decided as one by one, then all is written."""

    def __init__(self, run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> None:
        self.run, self.rows, self.actor, self.now = run, rows, actor, now
        self.organisation_id = run.organisation_id
        self.results: dict[int, RowResult] = {}
        self.plans: list[tuple[RunRow, PayoutPlan]] = []
        self.by_themselves: list[tuple[RunRow, PayoutPlan]] = []
        self.settings = settings_of(self.organisation_id)
        self.rules: list[Rule] = load_rules(self.organisation_id)
        self.policy, _ = policies.current_policy(self.organisation_id)
        self.volumes: dict[tuple[int, str, date], int] = {}
        self.left_in_wallet: dict[str, int] = {}

    def _load(self, is_locking: bool) -> dict[int, Invoice]:
        """The invoices, by their ids; locked in that order."""
        ids = [row.subject_id for row in self.rows if row.subject_id is not None]
        query = (
            select(Invoice)
            .where(Invoice.organisation_id == self.organisation_id, Invoice.id.in_(ids))
            .order_by(Invoice.id)
            .options(
                selectinload(Invoice.appointment)
                .selectinload(Appointment.practitioners)
                .selectinload(AppointmentPractitioner.payee)
            )
            .execution_options(populate_existing=True)
        )
        found = db.session.scalars(query.with_for_update() if is_locking else query)
        return {invoice.id: invoice for invoice in found}

    def decide(self, *, is_locking: bool = True) -> None:
        """What each invoice pays, or why it does not."""
        invoices = self._load(is_locking)
        if is_locking:
            self._lock_counted(invoices)
        live = _live_by_invoice(list(invoices))
        known = self._references(live)
        for row in self.rows:
            invoice = invoices.get(row.subject_id or 0)
            if invoice is None:
                continue
            try:
                self._decide_one(row, invoice, live.get(invoice.id, []), known)
            except Conflict as refused:
                self.results[row.id] = RowResult(RowOutcome.SKIPPED, refused.message)

    def _references(self, live: Mapping[int, Sequence[ClinicPayout]]) -> dict[int, str]:
        ids = [each.payout_id for found in live.values() for each in found]
        return dict(db.session.execute(select(Payout.id, Payout.reference).where(Payout.id.in_(ids))).all())

    def _lock_counted(self, invoices: Mapping[int, Invoice]) -> None:
        """Practitioners whose month decides about the per cent: their volume stands still until all is written."""
        if any(rule.commission.tiers for rule in self.rules):
            planning.lock_payees(
                {p.payee_id for i in invoices.values() if i.appointment for p in i.appointment.practitioners}
            )

    def _decide_one(
        self, row: RunRow, invoice: Invoice, live: Sequence[ClinicPayout], known: Mapping[int, str]
    ) -> None:
        planning.check_paid(invoice, self.settings)
        due = planning.due(invoice, live, self.settings)
        if due is None:
            names = ", ".join(known[each.payout_id] for each in live)
            message = paying.has_payout(invoice.number, names)
            self.results[row.id] = RowResult(RowOutcome.SKIPPED, message)
            return
        plan = planning.plan(invoice, due, live, self.settings, self.rules, volume=self._volume)
        is_approved = all(wallet_many.goes_alone(self.policy, part.cut.amount) for part in plan.parts)
        if live or not is_approved:
            # A further part, or one that a person must approve: made by itself.
            self.by_themselves.append((row, plan))
            return
        self._take_from_wallet(plan)
        for part in plan.parts:
            key = (part.payee.id, invoice.currency, month_bounds(plan.held_on)[0])
            if key in self.volumes:
                self.volumes[key] += part.cut.base.amount
        self.plans.append((row, plan))

    def _volume(self, payee_id: int, currency: str, on: date) -> int:
        key = (payee_id, currency, month_bounds(on)[0])
        if key not in self.volumes:
            # Also what this batch has decided for them before by other rules.
            before = sum(
                part.cut.base.amount
                for _, plan in self.plans
                for part in plan.parts
                if part.payee.id == payee_id
                and plan.invoice.currency == currency
                and plan.held_on.replace(day=1) == key[2]
            )
            self.volumes[key] = planning.volume_before(payee_id, currency, on) + before
        return self.volumes[key]

    def _take_from_wallet(self, plan: PayoutPlan) -> None:
        currency = plan.invoice.currency
        if currency not in self.left_in_wallet:
            self.left_in_wallet[currency] = wallets.balance(self.organisation_id, wallets.CLINIC, currency)
        planning.check_wallet(plan, Money(self.left_in_wallet[currency], currency))
        self.left_in_wallet[currency] -= plan.base.amount

    def write(self) -> None:
        """All payouts with their records; the wallets are touched last."""
        pairs = [(plan, part) for _, plan in self.plans for part in plan.parts]
        if not pairs:
            return
        recorders = paying.recorders_of([plan.invoice.id for _, plan in self.plans])
        drafts = [_draft(plan, part, recorders.get(plan.invoice.id, ())) for plan, part in pairs]
        made = wallet_many.insert_paid(
            organisation_id=self.organisation_id,
            program=PROGRAM,
            cost_account=wallets.CLINIC,
            drafts=drafts,
            run_id=self.run.id,
            actor=self.actor,
            now=self.now,
        )
        on = trail.today(self.organisation_id, self.now)
        self._insert_records(pairs, made, on)
        for _, plan in self.plans:
            if plan.invoice.offer != "open":
                plan.invoice.offer, plan.invoice.offer_reason = "open", ""
        self._tell(made)
        wallet_many.post(made, on, self.actor, self.now)

    def _insert_records(
        self, pairs: Sequence[tuple[PayoutPlan, Part]], made: Sequence[WalletPayout], on: date
    ) -> None:
        numbers = next_numbers(self.organisation_id, "TX", 6, len(made))
        records, movements = [], []
        for (plan, part), payout, number in zip(pairs, made, numbers, strict=True):
            records.append(paying.record_values(plan, part, payout.id, self.now))
            movements.append(
                {
                    **paying.movement_values(plan, part, payout.id, on, self.actor, self.now),
                    "reference": number,
                    "completed_at": self.now,
                }
            )
        connection = db.session.connection()
        connection.execute(insert(ClinicPayout), records)
        connection.execute(insert(ClinicTransaction), movements)

    def _tell(self, made: Sequence[WalletPayout]) -> None:
        told: dict[int, list[str]] = {}
        rest = iter(made)
        for row, plan in self.plans:
            told[row.id] = [
                paying.is_in_wallet(
                    payout.reference, Money(payout.amount_minor, payout.currency), payout.payee
                )
                for payout, _ in zip(rest, plan.parts, strict=False)
            ]
        for row_id, sentences in told.items():
            self.results[row_id] = RowResult(RowOutcome.DONE, " ".join(sentences))
        rows = [[p.reference, p.payee.id, p.currency, p.gross_minor, p.amount_minor] for p in made]
        changes: dict[str, Any] = {
            "payouts": [None, len(made)],
            "first and last": [None, f"{made[0].reference} to {made[-1].reference}"],
            "digest": [None, digest(rows)],
        }
        audit.record(
            tag="clinic:payouts:made",
            actor=self.actor,
            now=self.now,
            organisation_id=self.organisation_id,
            subject_type="run",
            subject_id=self.run.id,
            subject_label=self.run.reference,
            changes=changes,
        )


def _draft(plan: PayoutPlan, part: Part, recorders: Sequence[int]) -> WalletDraft:
    invoice, appointment = plan.invoice, plan.invoice.appointment
    assert appointment is not None  # noqa: S101 - the guard has looked
    payee: Payee = part.payee
    return WalletDraft(
        payee=payee,
        currency=invoice.currency,
        lines=paying.lines_of(invoice, appointment, part),
        sources=[part.source],
        on=appointment.held_on,
        exclusions=paying.exclusions_of(invoice, appointment, part.rule, recorders),
    )


runs.register_handler(KIND, pay_row)
runs.register_batch(KIND, pay_rows)

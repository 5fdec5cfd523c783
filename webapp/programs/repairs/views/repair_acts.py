"""What is done with a repair: confirmed, held, released, settled, cancelled, planned anew; an instalment moved."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import g, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from webapp.database import db
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.payouts.views.program_pages import act_page, form_of, money, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.repairs import changing, drafting, plans, queries
from webapp.programs.repairs.forms import (
    CancelForm,
    CheckForm,
    DecideForm,
    HoldForm,
    ReplanForm,
    SettleForm,
    SkipForm,
)
from webapp.programs.repairs.models import Repair, Replan
from webapp.programs.repairs.states import RepairAction, ReplanState, next_state
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters


def _begin(reference: str, action: RepairAction) -> Repair:
    """The repair. Raises NotFound; and IllegalTransition before a form is shown that would be refused.

    A form that is sent is judged by the service, so that what was written in it is kept.
    """
    require_change()
    repair = queries.get_repair(g.organisation.id, reference)
    if request.method != "POST":
        next_state(repair.state, action, reference)
    return repair


def _say(minor: int, currency: str) -> str:
    return filters.money(money(minor, currency))


def _facts(repair: Repair) -> list[tuple[str, Any]]:
    return [
        ("Driver", repair.payee.name),
        ("Invoice", f"{repair.invoice_number} of {filters.day(repair.invoice_date)}"),
        ("Amount", _say(repair.amount_minor, repair.currency)),
        ("Outstanding", _say(repair.outstanding_minor, repair.currency)),
    ]


def _page(repair: Repair, form: Any, **how: Any) -> ResponseReturnValue:
    """The page of one act; the repair's version goes along with its form."""
    reference = repair.reference
    back = (url_for(".repair", reference=reference), reference)
    fill = how.pop("fill", None)

    def filled() -> None:
        form.version.data = str(repair.version)
        if fill is not None:
            fill()

    crumbs = [(url_for(".repairs"), "All repairs"), back]
    return act_page(AREA, form, back=back, crumbs=crumbs, fill=filled, **{"facts": _facts(repair), **how})


def _values(reference: str, form: Any) -> dict[str, Any]:
    return {
        "organisation_id": g.organisation.id,
        "reference": reference,
        "expected_version": form.seen_version,
        "actor": actor(),
        "now": utc_now(),
    }


@needs_fresh_sign_in
def confirm(reference: str) -> ResponseReturnValue:
    """From a draft to an open repair."""
    repair = _begin(reference, RepairAction.CONFIRM)
    form: CheckForm = form_of(CheckForm)
    left = plans.unposted(repair)

    def call() -> str:
        drafting.confirm_repair(**_values(reference, form))
        return f"{reference} is open. Its instalments are charged when their weeks begin."

    late = any(each.week_start <= today() for each in left)
    caught_up = " Weeks that have begun already are caught up one a week." if late else ""
    return _page(
        repair, form, title=f"Confirm {reference}?", button="Confirm it", call=call,
        facts=[*_facts(repair), ("Plan", _plan_words(repair, repair.weekly_minor))],
        explains=f"Its instalments are charged when their weeks begin.{caught_up}",
    )  # fmt: skip


def hold(reference: str) -> ResponseReturnValue:
    """Nothing is charged until it is released."""
    repair = _begin(reference, RepairAction.HOLD)
    form: HoldForm = form_of(HoldForm)

    def call() -> str:
        changing.hold_repair(**_values(reference, form), reason=form.reason.data or "")
        return f"{reference} is on hold. Release it to go on."

    return _page(
        repair, form, title=f"Put {reference} on hold?", button="Put it on hold", call=call,
        explains="Nothing more is charged. When it is released, the weeks that were missed move to the end.",
    )  # fmt: skip


def release(reference: str) -> ResponseReturnValue:
    """Charging goes on."""
    repair = _begin(reference, RepairAction.RELEASE)
    form: CheckForm = form_of(CheckForm)

    def call() -> str:
        changing.release_repair(**_values(reference, form))
        return f"{reference} is open again; the plan goes on with the coming week."

    return _page(
        repair, form, title=f"Release {reference}?", button="Release it", call=call,
        facts=[*_facts(repair), ("On hold because", repair.reason)],
        explains="The weeks that were missed move to the end; what is left of the plan begins with the coming week.",
    )  # fmt: skip


@needs_fresh_sign_in
def cancel(reference: str) -> ResponseReturnValue:
    """No further instalment is charged; what was charged stays, is taken back or is written off."""
    repair = _begin(reference, RepairAction.CANCEL)
    form: CancelForm = form_of(CancelForm)
    charges = changing.charges_of(repair)
    if not charges:
        del form.posted
    charged = sum(charge.amount_minor - charge.credited_minor for charge in charges)
    owed = sum(charge.open_minor for charge in charges)

    def call() -> str:
        posted = {"posted": form.posted.data} if charges else {}
        changing.cancel_repair(**_values(reference, form), reason=form.reason.data or "", **posted)
        return f"{reference} is cancelled."

    facts = _facts(repair)
    if charges:
        facts += [
            ("Charged", _say(charged, repair.currency)), ("of it not paid", _say(owed, repair.currency)),
        ]  # fmt: skip
    return _page(
        repair, form, title=f"Cancel {reference}?", button="Cancel the repair", tone="danger", call=call, facts=facts,
        explains="Instalments that are not charged yet are cancelled. This cannot be undone; the same invoice can be "
        "entered again.",
    )  # fmt: skip


@needs_fresh_sign_in
def settle(reference: str) -> ResponseReturnValue:
    """The driver pays all that is left."""
    repair = _begin(reference, RepairAction.SETTLE)
    form: SettleForm = form_of(SettleForm, repair.currency)
    rest = changing.settlement_of(g.organisation.id, reference)
    # Looked at under a lock, which is not kept while somebody reads.
    db.session.rollback()
    repair = queries.get_repair(g.organisation.id, reference)
    if not rest.amount and request.method != "POST":
        raise Conflict(f"Nothing of {reference} is left to be paid.")

    def fill() -> None:
        form.amount.data, form.received_on.data = rest.plain, today()

    def call() -> str:
        changing.settle_repair(
            **_values(reference, form),
            amount_minor=form.amount.minor or 0,
            method=form.method.data,
            received_on=form.received_on.data or today(),
            note=form.note.data or "",
        )
        return f"{reference} is settled: {rest.format()} was paid."

    return _page(
        repair, form, title=f"Settle {reference}", button="Record the payment", call=call, fill=fill,
        facts=[*_facts(repair), ("To settle it", filters.money(rest))],
        explains="What is not charged yet is charged today, and all of it is paid. The repair is closed.",
    )  # fmt: skip


def skip_instalment(reference: str, number: str) -> ResponseReturnValue:
    """One instalment moves to the week after the last."""
    repair = _begin(reference, RepairAction.SKIP)
    row = next((each for each in repair.instalments if each.reference == number), None)
    if row is None:
        raise NotFound("There is no such instalment of this repair.")
    form: SkipForm = form_of(SkipForm)

    def call() -> str:
        made = changing.skip_instalment(
            organisation_id=g.organisation.id, reference=number, reason=form.reason.data or "",
            actor=actor(), now=utc_now(),
        )  # fmt: skip
        week = filters.day(made.week_start)
        return f"{number} is moved to the end: {made.reference} stands for it, in the week of {week}."

    return _page(
        repair, form, title=f"Move {number} to the end?", button="Move it", call=call,
        facts=[
            ("Driver", repair.payee.name), ("Week", filters.days((row.week_start, row.due_on))),
            ("Instalment", _say(row.amount_minor, row.currency)),
        ],
        explains="It is not charged in its week. Another instalment of the same amount follows the last one.",
    )  # fmt: skip


def propose_replan(reference: str) -> ResponseReturnValue:
    """Another weekly amount for the rest; a second person decides."""
    repair = _begin(reference, RepairAction.REPLAN)
    form: ReplanForm = form_of(ReplanForm, repair.currency)
    left = plans.unposted(repair)

    def call() -> str:
        changing.propose_replan(
            organisation_id=g.organisation.id, reference=reference, weekly_minor=form.weekly.minor or 0,
            reason=form.reason.data or "", actor=actor(), now=utc_now(),
        )  # fmt: skip
        return "The new plan waits for another person. Until then the instalments stay as they are."

    rest = sum(each.amount_minor for each in left)
    return _page(
        repair, form, title=f"Plan {reference} anew", button="Propose the plan", call=call,
        facts=[
            ("Driver", repair.payee.name), ("Still to be charged", _say(rest, repair.currency)),
            ("Now", f"{len(left)} weeks by {_say(repair.weekly_minor, repair.currency)}"),
        ],
        explains="What is not charged yet is charged by another weekly amount once a second person accepts it.",
    )  # fmt: skip


@needs_fresh_sign_in
def decide_replan(reference: str, replan_id: int) -> ResponseReturnValue:
    """A second person accepts or refuses a new plan."""
    require_change()
    repair = queries.get_repair(g.organisation.id, reference)
    row = db.session.scalar(select(Replan).where(Replan.repair_id == repair.id, Replan.id == replan_id))
    if row is None:
        raise NotFound("There is no such plan of this repair.")
    form: DecideForm = form_of(DecideForm)

    def call() -> str:
        made = changing.decide_replan(
            organisation_id=g.organisation.id, replan_id=replan_id, is_accepted=form.choice.data == "accept",
            note=form.note.data or "", actor=actor(), now=utc_now(),
        )  # fmt: skip
        is_accepted = made.state == ReplanState.ACCEPTED
        return f"{reference} is planned anew." if is_accepted else "The plan is refused; nothing changes."

    return _page(
        repair, form, title=f"New plan of {reference}", button="Save the decision", call=call,
        facts=[
            ("Driver", repair.payee.name), ("Proposed by", row.created_by_label), ("Because", row.reason),
            ("Now", _plan_words(repair, repair.weekly_minor)), ("Proposed", _plan_words(repair, row.weekly_minor)),
        ],
        explains="Whoever proposed it cannot decide about it.",
    )  # fmt: skip


def _plan_words(repair: Repair, weekly_minor: int) -> str:
    """What is left by so much a week: "$250.00 a week, 3 instalments until 1 Nov 2025"."""
    left = plans.unposted(repair)
    weekly = f"{_say(weekly_minor, repair.currency)} a week"
    if not left:
        return weekly
    count = len(plans.amounts_by(sum(each.amount_minor for each in left), weekly_minor))
    until: date = left[0].due_on.fromordinal(left[0].due_on.toordinal() + 7 * (count - 1))
    words = "1 instalment" if count == 1 else f"{count} instalments"
    return f"{weekly}: {words}, until {filters.day(until)}"

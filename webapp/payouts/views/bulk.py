"""Between choosing payouts and acting on them: what is chosen, who is left out and why, the draft."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import g, request
from flask_login import current_user
from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts import approval_queue, approved_runs, lists, policy, queries
from webapp.payouts.approval_queue import Approver
from webapp.payouts.bulk import APPROVE, ASK, HOLD, PAY, REJECT, RELEASE
from webapp.payouts.forms import FilterForm, ReasonForm
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutAction, PayoutState, possible_actions
from webapp.payouts.views import listing
from webapp.people.models import MethodKind
from webapp.runs import lists as run_lists
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow
from webapp.web import selection
from webapp.web.filters import money


@dataclass(frozen=True)
class Act:
    """One bulk act: the kind of its run, its words, and the list that it starts from."""

    kind: str
    done: str
    busy: str
    tone: str
    list_endpoint: str
    list_label: str
    # What the check step calls it, where that is not the act's own name.
    verb: str = ""


ACTS = {
    "approve": Act(APPROVE, "approved", "Approving…", "primary", "admin.approvals.index", "Approvals"),
    "reject": Act(REJECT, "rejected", "Rejecting…", "danger", "admin.approvals.index", "Approvals"),
    "pay": Act(PAY, "paid", "Starting…", "primary", "admin.payouts.index", "Payouts"),
    "ask": Act(
        ASK, "asked about", "Asking…", "primary", "admin.payouts.index", "Payouts", "Ask the bank about"
    ),
    "hold": Act(HOLD, "held", "Holding…", "primary", "admin.payouts.index", "Payouts"),
    "release": Act(RELEASE, "released", "Releasing…", "primary", "admin.payouts.index", "Payouts"),
}
#: These stop money and move none: nobody has to prove who they are first, and what is held is safe.
STOPPING = ("hold",)
#: These take a reason that is kept with every payout.
WITH_REASON = ("reject", "hold")
#: More payouts than this are not checked by a person at once.
MAXIMUM = 5_000
#: States from which money can be sent.
PAYABLE = tuple(s.value for s in (PayoutState.APPROVED, PayoutState.FAILED, PayoutState.RETRY_SCHEDULED))
#: States in which the bank has been asked to pay and has not said what became of it.
ASKABLE = (PayoutState.PROCESSING.value,)
STATES_OF = {"pay": PAYABLE, "ask": ASKABLE}
#: What a list of payouts of one state offers to do with many.
ACT_OF_STATE = {**dict.fromkeys(PAYABLE, "pay"), **dict.fromkeys(ASKABLE, "ask")}
#: The same for the list of all payouts: each status with its acts, the main one first.
ACTS_OF_STATUS = {
    **{state: (act,) for state, act in ACT_OF_STATE.items()},
    PayoutState.APPROVED.value: ("pay", "hold"),
    PayoutState.FAILED.value: ("pay", "hold"),
    lists.Standing.HELD.value: ("release",),
    lists.Standing.OPEN.value: ("hold", "release"),
}
#: Reasons listed for what is left out; the counts are always complete.
LISTED = 200

Reasons = Sequence[tuple[Payout, list[str]]]


@dataclass(frozen=True)
class Choice:
    """The payouts that a person means."""

    payouts: Sequence[Payout]


@dataclass(frozen=True)
class Problem:
    """Why there is nothing to check; `again` are the fields that ask once more with the present set."""

    heading: str
    message: str
    code: int
    again: Mapping[str, str] = field(default_factory=dict)


def in_dialog() -> bool:
    """Whether the answer goes into the dialog of the page."""
    return request.headers.get("HX-Target") == "dialog"


def expectation(totals: Iterable[lists.Total]) -> str:
    """What the page promised by "all N that match": count and net per currency, as a text to compare."""
    return ";".join(f"{total.net.currency}:{total.count}:{total.net.amount}" for total in totals)


def choice(who: Approver, act: str, form: FilterForm, view: str) -> Choice | Problem:
    """What was chosen: ticked rows, all that match a filter, or a draft less the rows left out."""
    if request.form.get("draft"):
        run = own_draft(request.form["draft"])
        left_out = set(request.form.getlist("leave_out", type=int))
        kept = [row.subject_id for row in run_lists.all_rows(run.id) if row.subject_id not in left_out]
        return Choice(_load(kept)) if kept else Problem("Nothing is left", "Every payout was left out.", 422)
    if request.form.get("run"):
        return _of_run(request.form["run"])
    if request.form.get("everything"):
        return _everything(who, act, form, view)
    try:
        ids = selection.of_form()
    except Invalid as error:
        return Problem("Nothing was changed", error.message, 422)
    if not ids:
        return Problem(
            "Nothing is selected", "Tick the payouts that you mean, then press the button again.", 422
        )
    if len(ids) > MAXIMUM:
        return Problem("Too many at once", f"Tick {MAXIMUM:,} payouts or fewer.", 422)
    return Choice(_load(sorted(ids)))


def _of_run(reference: str) -> Choice | Problem:
    """What a bulk approval approved and has not left yet."""
    run = run_lists.get_run(organisation_id=g.organisation.id, reference=reference)
    ids = approved_runs.stoppable_ids(run) if run.kind == APPROVE else []
    if not ids:
        message = "All that was approved has left, or is on hold. See the payouts themselves."
        return Problem("Nothing can be stopped", message, 422)
    return Choice(_load(ids))


def _everything(who: Approver, act: str, form: FilterForm, view: str) -> Choice | Problem:
    if not form.validate():
        return Problem(
            "The filter cannot be read", "Go back and correct the filter. Nothing was changed.", 422
        )
    if act in ("approve", "reject"):
        query = approval_queue.in_view(who, form.chosen(), view)
    else:
        query = matching(who, form.chosen(), STATES_OF.get(act, ()))
    totals = lists.totals(query)
    n = listing.count_of(totals)
    present = expectation(totals)
    if request.form.get("expected") != present:
        again = {"act": act, "view": view, "everything": "1", "expected": present}
        words = "1 payout matches" if n == 1 else f"{n:,} payouts match"
        message = f"Now {words}, {listing.said_totals(totals)}. Nothing was changed."
        return Problem("The list has changed", message, 409, {**listing.filter_values(form), **again})
    if n > MAXIMUM:
        return Problem("Too many at once", f"Narrow the filter to {MAXIMUM:,} payouts or fewer.", 422)
    return Choice(_facts_of(query))


def matching(who: Approver, filters: lists.PayoutFilter, states: Sequence[str]) -> Select[Any]:
    """The payouts of a filter; of these states only, where any are given."""
    query = lists.payouts(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    )
    return query.where(Payout.state.in_(states)) if states else query


def _facts_of(query: Select[Any]) -> Sequence[Payout]:
    """The payouts with all that decides about them, oldest first."""
    loaded = lists.with_approval_facts(query).options(selectinload(Payout.transfers)).order_by(Payout.id)
    return db.session.scalars(loaded.execution_options(populate_existing=True)).unique().all()


def _load(ids: Sequence[int | None]) -> Sequence[Payout]:
    query = lists.chosen(organisation_id=g.organisation.id, payout_ids=[i for i in ids if i is not None])
    return _facts_of(query)


def split(who: Approver, act: str, payouts: Sequence[Payout]) -> tuple[list[Payout], Reasons]:
    """What the person can do, and what is left out with the reasons."""
    if act == "approve":
        return approval_queue.split(who, payouts)
    found = [(payout, _WHY_NOT[act](who, payout)) for payout in payouts]
    return [p for p, reasons in found if not reasons], [(p, reasons) for p, reasons in found if reasons]


def _state(payout: Payout) -> str:
    return PayoutState(payout.state).label.lower()


def _why_not_rejected(_: Approver, payout: Payout) -> list[str]:
    if payout.state == PayoutState.PENDING_APPROVAL:
        return []
    return [f"It is {_state(payout)}; only what waits for approval can be rejected."]


def _why_not_asked(_: Approver, payout: Payout) -> list[str]:
    if payout.state in ASKABLE:
        return []
    return [f"It is {_state(payout)}; only what the bank has been asked to pay can be asked about."]


def _why_not_paid(who: Approver, payout: Payout) -> list[str]:
    method = payout.payee.current_method
    rail = queries.default_rail(who.policy, method.kind if method else "")
    if rail == "manual" and payout.state in PAYABLE:
        return ["It is paid by hand. Pay outside Paydesk, then mark it as paid."]
    return policy.why_not_paid(who.policy, queries.payment_facts(payout, who.user_id, rail, who.now))


def _why_not_held(_: Approver, payout: Payout) -> list[str]:
    if payout.is_held:
        return [f"It is on hold already: {payout.hold_reason}"]
    if PayoutAction.HOLD in possible_actions(payout.state):
        return []
    if payout.state == PayoutState.PROCESSING:
        return ["It has left: the bank has been asked to pay it."]
    return [f"It is {_state(payout)}; only approved and failed payouts can be put on hold."]


def _why_not_released(_: Approver, payout: Payout) -> list[str]:
    if not payout.is_held:
        return ["It is not on hold."]
    if PayoutAction.RELEASE in possible_actions(payout.state):
        return []
    return [f"It is {_state(payout)}; it cannot be released as it is."]


_WHY_NOT: Mapping[str, Callable[[Approver, Payout], list[str]]] = {
    "reject": _why_not_rejected,
    "pay": _why_not_paid,
    "ask": _why_not_asked,
    "hold": _why_not_held,
    "release": _why_not_released,
}


def not_included(left_out: Reasons) -> list[dict[str, str]]:
    return [{"reference": p.reference, "reason": " ".join(reasons)} for p, reasons in left_out[:LISTED]]


def verb(act: str) -> str:
    """What is done to the payouts, as the beginning of a sentence."""
    return ACTS[act].verb or act.capitalize()


def said(act: str) -> str:
    """The act inside a sentence: "pay", "ask the bank about"."""
    word = verb(act)
    return word[:1].lower() + word[1:]


def make_draft(who: Approver, act: str, eligible: Sequence[Payout], left_out: Reasons, actor: Actor) -> Run:
    """The draft run: what would be done, with the versions that the person saw, and what is left out."""
    n = len(eligible)
    rows = [
        runs.RowDraft(
            subject_type="payout",
            subject_id=payout.id,
            subject_label=f"{payout.reference} {payout.payee.name}"[:200],
            subject_version=payout.version,
            data=_row_data(payout),
        )
        for payout in eligible
    ]
    return runs.create_draft(
        organisation_id=who.organisation_id,
        kind=ACTS[act].kind,
        title=f"{verb(act)} {n:,} payout{'s' if n != 1 else ''}",
        rows=rows,
        parameters={
            "not_included": not_included(left_out),
            "n_not_included": len(left_out),
            "came_from": request.form.get("run", ""),
        },
        actor=actor,
        now=who.now,
    )


def _row_data(payout: Payout) -> dict[str, Any]:
    method = payout.payee.current_method
    given = sum(1 for a in payout.approvals if a.round == payout.round and a.decision == "approved")
    return {
        "reference": payout.reference,
        "payee": payout.payee.name,
        "program": payout.program,
        "amount_minor": payout.amount_minor,
        "currency": payout.currency,
        "method": MethodKind(method.kind).label if method else "No payment details",
        "pay_to": (method.masked or "By hand") if method else "–",
        "is_last_approval": given + 1 >= max(1, payout.approvals_needed),
    }


def own_draft(reference: str) -> Run:
    """A bulk run that this person prepared. Raises NotFound for everybody else."""
    run = run_lists.get_run(organisation_id=g.organisation.id, reference=reference)
    if run.created_by_id != current_user.id or run.kind not in {act.kind for act in ACTS.values()}:
        raise NotFound
    return run


def act_of(run: Run) -> str:
    """The name of a run's act, as in `ACTS`."""
    return next(name for name, act in ACTS.items() if act.kind == run.kind)


def reason_form(run: Run) -> ReasonForm | None:
    """A rejection and a hold need a reason; the other acts have no form."""
    return ReasonForm() if act_of(run) in WITH_REASON else None


def changed_since(run: Run, who: Approver) -> str | None:
    """What to say when the set is not any more what the person checked; None when it is, or when it does not matter.

    A hold does not wait for another look: while a person reads, the others leave.
    """
    if act_of(run) in STOPPING:
        return None
    rows = {row.subject_id: row.subject_version for row in run_lists.all_rows(run.id)}
    eligible, _ = split(who, act_of(run), _load(list(rows)))
    same = [payout for payout in eligible if rows[payout.id] == payout.version]
    if len(same) == len(rows):
        return None
    said = (
        " and ".join(money(total) for total in sums((p.currency, p.amount_minor) for p in eligible))
        or "nothing"
    )
    word = ACTS[act_of(run)].done
    changed = len(rows) - len(same)
    return (
        f"{changed} of {len(rows)} payouts changed since you checked. "
        f"Now {len(eligible)} can be {word} by you, {said}. Check again."
    )


def start(run: Run, reason: str | None, actor: Actor, now: datetime) -> None:
    """Confirm the draft: a worker does the rows one by one."""
    runs.confirm(
        organisation_id=run.organisation_id,
        reference=run.reference,
        actor=actor,
        now=now,
        parameters={"reason": reason} if reason else {},
    )


def sums(amounts: Iterable[tuple[str, int]]) -> list[Money]:
    sums: Counter[str] = Counter()
    for currency, amount in amounts:
        sums[currency] += amount
    return [Money(amount, currency) for currency, amount in sorted(sums.items())]


def redraft(run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> Run:
    """The failed rows as they are now, as a new draft for the same act."""
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=now)
    eligible, left_out = split(who, act_of(run), _load([row.subject_id for row in rows]))
    return make_draft(who, act_of(run), eligible, left_out, actor)

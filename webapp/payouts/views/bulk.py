"""The check step between choosing payouts and acting on them: what is chosen, the draft, the page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import Select
from sqlalchemy.orm import selectinload

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import Money
from webapp.payouts import approval_queue, lists, policy, queries
from webapp.payouts.approval_queue import Approver
from webapp.payouts.bulk import APPROVE, ASK, PAY, REJECT
from webapp.payouts.forms import FilterForm, ReasonForm
from webapp.payouts.models import Payout
from webapp.payouts.states import PayoutState
from webapp.payouts.views import detail, listing
from webapp.people.models import MethodKind
from webapp.runs import lists as run_lists
from webapp.runs import service as runs
from webapp.runs.models import Run, RunRow
from webapp.runs.views.pages import KindPages, register_pages
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
}
#: More payouts than this are not checked by a person at once.
MAXIMUM = 5_000
#: States from which money can be sent.
PAYABLE = tuple(s.value for s in (PayoutState.APPROVED, PayoutState.FAILED, PayoutState.RETRY_SCHEDULED))
#: States in which the bank has been asked to pay and has not said what became of it.
ASKABLE = (PayoutState.PROCESSING.value,)
#: What a list of payouts of one state offers to do with many.
ACT_OF_STATE = {**dict.fromkeys(PAYABLE, "pay"), **dict.fromkeys(ASKABLE, "ask")}
#: Rows offered for leaving out, and reasons listed; the counts are always complete.
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


def _everything(who: Approver, act: str, form: FilterForm, view: str) -> Choice | Problem:
    if not form.validate():
        return Problem(
            "The filter cannot be read", "Go back and correct the filter. Nothing was changed.", 422
        )
    if act in ("pay", "ask"):
        query = payable(who, form.chosen(), ASKABLE if act == "ask" else PAYABLE)
    else:
        query = approval_queue.in_view(who, form.chosen(), view)
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


def payable(who: Approver, filters: lists.PayoutFilter, states: Sequence[str] = PAYABLE) -> Select[Any]:
    """The payouts of a filter that are approved, or failed and may be tried again; or those of other `states`."""
    query = lists.payouts(
        organisation_id=who.organisation_id, currency=who.currency, now=who.now, filters=filters
    )
    return query.where(Payout.state.in_(states))


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
    if act == "pay":
        found = [(payout, _why_not_paid(who, payout)) for payout in payouts]
        return [p for p, reasons in found if not reasons], [(p, reasons) for p, reasons in found if reasons]
    if act == "ask":
        words = "only what the bank has been asked to pay can be asked about."
        asked = [payout for payout in payouts if payout.state in ASKABLE]
        others = [payout for payout in payouts if payout.state not in ASKABLE]
        return asked, [(p, [f"It is {PayoutState(p.state).label.lower()}; {words}"]) for p in others]
    waits = PayoutState.PENDING_APPROVAL.value
    eligible = [payout for payout in payouts if payout.state == waits]
    left_out = [
        (p, [f"It is {PayoutState(p.state).label.lower()}; only what waits for approval can be rejected."])
        for p in payouts
        if p.state != waits
    ]
    return eligible, left_out


def _why_not_paid(who: Approver, payout: Payout) -> list[str]:
    method = payout.payee.current_method
    rail = queries.default_rail(who.policy, method.kind if method else "")
    if rail == "manual" and payout.state in PAYABLE:
        return ["It is paid by hand. Pay outside Paydesk, then mark it as paid."]
    return policy.why_not_paid(who.policy, queries.payment_facts(payout, who.user_id, rail, who.now))


def _not_included(left_out: Reasons) -> list[dict[str, str]]:
    return [{"reference": p.reference, "reason": " ".join(reasons)} for p, reasons in left_out[:LISTED]]


def _verb(act: str) -> str:
    """What is done to the payouts, as the beginning of a sentence."""
    return ACTS[act].verb or act.capitalize()


def said(act: str) -> str:
    """The act inside a sentence: "pay", "ask the bank about"."""
    verb = _verb(act)
    return verb[:1].lower() + verb[1:]


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
        title=f"{_verb(act)} {n:,} payout{'s' if n != 1 else ''}",
        rows=rows,
        parameters={"not_included": _not_included(left_out), "n_not_included": len(left_out)},
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
    """approve, reject, pay or ask."""
    return next(name for name, act in ACTS.items() if act.kind == run.kind)


def reason_form(run: Run) -> ReasonForm | None:
    """A rejection needs a reason; the other acts have no form."""
    return ReasonForm() if act_of(run) == "reject" else None


def changed_since(run: Run, who: Approver) -> str | None:
    """What to say when the set is not any more what the person checked; None when it is."""
    rows = {row.subject_id: row.subject_version for row in run_lists.all_rows(run.id)}
    eligible, _ = split(who, act_of(run), _load(list(rows)))
    same = [payout for payout in eligible if rows[payout.id] == payout.version]
    if len(same) == len(rows):
        return None
    said = (
        " and ".join(money(total) for total in _sums((p.currency, p.amount_minor) for p in eligible))
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


def _sums(amounts: Iterable[tuple[str, int]]) -> list[Money]:
    sums: Counter[str] = Counter()
    for currency, amount in amounts:
        sums[currency] += amount
    return [Money(amount, currency) for currency, amount in sorted(sums.items())]


def _shown_rows(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    shown = [
        {
            "id": row.subject_id,
            **{key: row.data[key] for key in ("reference", "payee", "pay_to")},
            "net": Money(row.data["amount_minor"], row.data["currency"]),
        }
        for row in rows
    ]
    home = g.organisation.currency
    return sorted(shown, key=lambda row: (row["net"].currency != home, -row["net"].amount))


def _groups(rows: Sequence[RunRow]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        found[row.data["currency"], row.data["method"]].append(row.data["amount_minor"])
    return [
        {
            "label": f"{currency}, {method.lower()}",
            "count": len(amounts),
            "total": Money(sum(amounts), currency),
        }
        for (currency, method), amounts in sorted(found.items())
    ]


def _sentences(run: Run, rows: Sequence[RunRow], who: Approver) -> list[str]:
    if act_of(run) == "reject":
        return ["Rejected payouts are not paid. What they pay for can be paid by a new payout."]
    if act_of(run) == "pay":
        return ["The bank is asked once for each. While an answer is unknown, nothing is sent again."]
    if act_of(run) == "ask":
        return ["Nothing is sent again: the bank is only asked what became of each."]
    sentences = []
    if waiting := sum(1 for row in rows if not row.data["is_last_approval"]):
        sentences.append(f"{waiting} of them need another person's approval after yours.")
    for program in sorted({row.data["program"] for row in rows}):
        if text := detail.cut_off_sentence(who.policy, program, who.now, who.timezone):
            sentences.append(f"{program.capitalize()}: {text.replace('it', 'them', 1)}")
    return sentences


def check_page(
    run: Run,
    reason: str | None = None,
    *,
    form: ReasonForm | None = None,
    conflict: str | None = None,
    code: int = 200,
) -> ResponseReturnValue:
    """The check step as a page or in the dialog."""
    rows = run_lists.all_rows(run.id)
    act, n = act_of(run), len(rows)
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=run.created_at)
    totals = _sums((row.data["currency"], row.data["amount_minor"]) for row in rows)
    said = " and ".join(money(total) for total in totals)
    shown = _shown_rows(rows)
    if form is None and act == "reject":
        form = ReasonForm(formdata=None, data={"reason": reason or request.form.get("reason", "")})
    words = f"{n:,} payout{'s' if n != 1 else ''}"
    return render_template(
        "approvals/check.html",
        run=run,
        act=act,
        heading=f"{_verb(act)} {words}?",
        button=f"{_verb(act)} {words} ({said})",
        facts=[
            ("Payouts", f"{n:,}"),
            ("Total", said),
            ("Not included", f"{run.parameters['n_not_included']:,}"),
        ],
        sentences=_sentences(run, rows, who),
        groups=_groups(rows),
        rows=shown,
        largest=shown[:5],
        hidden_rows=max(0, n - LISTED),
        not_included=run.parameters["not_included"],
        n_not_included=run.parameters["n_not_included"],
        form=form,
        conflict=conflict,
        has_errors=code == 422,
        busy=ACTS[act].busy,
        tone=ACTS[act].tone,
        list_label=ACTS[act].list_label,
        back_href=url_for(ACTS[act].list_endpoint),
        in_dialog=in_dialog(),
        check_href=url_for("admin.approvals.check"),
        confirm_href=url_for("admin.approvals.confirm", reference=run.reference),
    ), code


def problem(
    heading: str,
    message: str,
    code: int,
    *,
    act: str = "approve",
    left_out: Reasons = (),
    again: Mapping[str, str] | None = None,
) -> ResponseReturnValue:
    """Why there is nothing to confirm, as a page or in the dialog."""
    return render_template(
        "approvals/problem.html",
        heading=heading,
        message=message,
        not_included=_not_included(left_out),
        again=again or {},
        in_dialog=in_dialog(),
        check_href=url_for("admin.approvals.check"),
        list_label=ACTS[act].list_label,
        back_href=url_for(ACTS[act].list_endpoint),
    ), code


def _redraft(run: Run, rows: Sequence[RunRow], actor: Actor, now: datetime) -> Run:
    """The failed rows as they are now, as a new draft for the same act."""
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=now)
    eligible, left_out = split(who, act_of(run), _load([row.subject_id for row in rows]))
    return make_draft(who, act_of(run), eligible, left_out, actor)


def register() -> None:
    """Tell the runs' pages where bulk drafts are checked and how failed rows are tried again."""
    for act in ACTS.values():
        register_pages(
            act.kind,
            KindPages(lambda run: url_for("admin.approvals.draft", reference=run.reference), _redraft),
        )

"""The check step of an act on many payouts: what would be done, to how much money, what is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.kernel.money import Money
from webapp.payouts import approval_queue
from webapp.payouts.approval_queue import Approver
from webapp.payouts.forms import ReasonForm
from webapp.payouts.views import bulk, detail, run_panel
from webapp.runs import lists as run_lists
from webapp.runs.models import Run, RunRow
from webapp.runs.views.pages import KindPages, register_pages
from webapp.web.filters import money


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


#: What the acts lead to, where that does not depend on the payouts.
_SENTENCES = {
    "reject": "Rejected payouts are not paid. What they pay for can be paid by a new payout.",
    "pay": "The bank is asked once for each. While an answer is unknown, nothing is sent again.",
    "ask": "Nothing is sent again: the bank is only asked what became of each.",
    "hold": "Nothing of it is paid until somebody releases it. What leaves before you press the button is skipped.",
    "release": "They can be paid again after this.",
}
_REASON_HINTS = {
    "reject": "The payees see this reason, on the page and in the e-mail.",
    "hold": "Admins see this reason; the payees are told that it is on hold.",
}


def _sentences(run: Run, rows: Sequence[RunRow], who: Approver) -> list[str]:
    if sentence := _SENTENCES.get(bulk.act_of(run)):
        return [sentence]
    sentences = []
    if waiting := sum(1 for row in rows if not row.data["is_last_approval"]):
        sentences.append(f"{waiting} of them need another person's approval after yours.")
    for program in sorted({row.data["program"] for row in rows}):
        if text := detail.cut_off_sentence(who.policy, program, who.now, who.timezone):
            sentences.append(f"{program.capitalize()}: {text.replace('it', 'them', 1)}")
    return sentences


def _way_back(act: str, came_from: str) -> dict[str, str]:
    """The list that an act starts from, or the run whose page offered it."""
    if came_from:
        return {"list_label": came_from, "back_href": url_for("admin.runs.show", reference=came_from)}
    return {"list_label": bulk.ACTS[act].list_label, "back_href": url_for(bulk.ACTS[act].list_endpoint)}


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
    act, n = bulk.act_of(run), len(rows)
    who = approval_queue.approver(organisation=g.organisation, user_id=current_user.id, now=run.created_at)
    totals = bulk.sums((row.data["currency"], row.data["amount_minor"]) for row in rows)
    said = " and ".join(money(total) for total in totals)
    shown = _shown_rows(rows)
    if form is None and act in bulk.WITH_REASON:
        form = ReasonForm(formdata=None, data={"reason": reason or request.form.get("reason", "")})
    words = f"{n:,} payout{'s' if n != 1 else ''}"
    return render_template(
        "approvals/check.html",
        run=run,
        act=act,
        heading=f"{bulk.verb(act)} {words}?",
        button=f"{bulk.verb(act)} {words} ({said})",
        facts=[
            ("Payouts", f"{n:,}"),
            ("Total", said),
            ("Not included", f"{run.parameters['n_not_included']:,}"),
        ],
        sentences=_sentences(run, rows, who),
        groups=_groups(rows),
        rows=shown,
        largest=shown[:5],
        hidden_rows=max(0, n - bulk.LISTED),
        not_included=run.parameters["not_included"],
        n_not_included=run.parameters["n_not_included"],
        form=form,
        conflict=conflict,
        has_errors=code == 422,
        busy=bulk.ACTS[act].busy,
        tone=bulk.ACTS[act].tone,
        reason_hint=_REASON_HINTS.get(act),
        came_from=run.parameters.get("came_from", ""),
        **_way_back(act, run.parameters.get("came_from", "")),
        in_dialog=bulk.in_dialog(),
        check_href=url_for("admin.approvals.check"),
        confirm_href=url_for("admin.approvals.confirm", reference=run.reference),
    ), code


def problem(
    heading: str,
    message: str,
    code: int,
    *,
    act: str = "approve",
    left_out: bulk.Reasons = (),
    again: Mapping[str, str] | None = None,
) -> ResponseReturnValue:
    """Why there is nothing to confirm, as a page or in the dialog."""
    return render_template(
        "approvals/problem.html",
        heading=heading,
        message=message,
        not_included=bulk.not_included(left_out),
        again=again or {},
        in_dialog=bulk.in_dialog(),
        check_href=url_for("admin.approvals.check"),
        **_way_back(act, request.form.get("run", "")),
    ), code


def register() -> None:
    """Tell the runs' pages where bulk drafts are checked, how failed rows are tried again, and what they lead to."""
    for name, act in bulk.ACTS.items():
        register_pages(
            act.kind,
            KindPages(
                draft=lambda run: url_for("admin.approvals.draft", reference=run.reference),
                redraft=bulk.redraft,
                after=run_panel.after if name == "approve" else None,
            ),
        )

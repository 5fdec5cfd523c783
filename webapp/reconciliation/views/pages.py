"""What the pages of this room show: rows, figures, the steps of settling a finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from flask import g, request, url_for
from flask_login import current_user

from webapp.kernel.clock import local_date, utc_now
from webapp.kernel.money import Money
from webapp.ledger import correction
from webapp.payouts.states import TransferState
from webapp.people import members
from webapp.people.views.session import actor
from webapp.reconciliation import queries, resolving
from webapp.reconciliation.balance import Tie
from webapp.reconciliation.forms import FilterForm, SettleForm
from webapp.reconciliation.models import Finding, ReconciliationRun, StatementFile
from webapp.reconciliation.queries import Filter
from webapp.reconciliation.states import FileFormat, FileState, FindingKind, FindingState, Resolution, Source
from webapp.web import charts, filters
from webapp.web.fields import options

# Shown also where they are zero.
_ALWAYS = ("lines", "new", "asked", "matched")
HEADERS = (
    "finding", "kind", "compared_with", "state", "payout", "transfer_id", "what", "currency", "ours", "theirs",
    "difference", "our_state", "their_state", "day", "age_days", "owner", "resolution", "note", "found_at",
    "settled_by", "settled_at",
)  # fmt: skip
_WORDS = {
    "debited": "Debited", "returned": "Came back", "in_flight": "Under way", "succeeded": "Succeeded",
    "failed": "Failed", "reversed": "Returned", "not_found": "Not known there",
}  # fmt: skip
COUNT_WORDS = {
    "lines": "Lines in the file", "new": "New lines", "repeated": "Lines known already", "asked": "Asked",
    "no_answer": "No answer", "matched": "Matched", "theirs_only": "Theirs only", "ours_only": "Ours only",
    "amount_differs": "Amount differs", "state_differs": "State differs", "differing": "Differ",
    "webhooks": "Unknown webhooks", "closed": "Findings that agree by now", "suggested": "Suggested pairs",
}  # fmt: skip


def today() -> date:
    """The day in the organisation."""
    return local_date(utc_now(), g.organisation.timezone)


def filter_of(form: FilterForm) -> Filter:
    """The filter that a form says."""
    age = form.age.data or ""
    is_bare = not any(
        name in request.args for name in ("state", "q", "kind", "source", "owner", "age", "run")
    )
    return Filter(
        q=form.q.data or "",
        kind=form.kind.data if form.kind.data in set(FindingKind) else "",
        source=form.source.data if form.source.data in set(Source) else "",
        state="unsettled" if is_bare else _state(request.args.get("state", "unsettled")),
        owner=form.owner.data or "",
        older_than=int(age) if age.isdigit() and len(age) < 4 else 0,
        run=request.args.get("run", "")[:20],
    )


def _state(text: str) -> str:
    return text if text in {"", "unsettled", *FindingState} else "unsettled"


def money(amount: int | None, currency: str) -> Money | None:
    """An amount to show; None where there is none."""
    return None if amount is None or not currency else Money(amount, currency)


def said(word: str) -> str:
    """A state of ours or a word of theirs, as people read it."""
    if word in _WORDS:
        return _WORDS[word]
    return TransferState(word).label if word in set(TransferState) else word


def finding_rows(rows: Iterable[Any], now_on: date) -> list[dict[str, Any]]:
    """Rows of the list, shaped before the template sees them."""
    return [
        {
            "href": url_for("admin.reconciliation.finding", finding_id=row[0].id),
            "id": row[0].id,
            "kind": FindingKind(row[0].kind),
            "state": FindingState(row[0].state),
            "source": Source(row[0].source).label,
            "label": row[0].label or row.our_id or "–",
            "payout": row.payout_reference,
            "ours": money(row[0].ours_minor, row[0].currency),
            "theirs": money(row[0].theirs_minor, row[0].currency),
            "ours_said": said(row[0].ours_words),
            "theirs_said": said(row[0].theirs_words),
            "day": row[0].happened_on,
            "age": max((now_on - row[0].happened_on).days, 0),
            "owner": row[0].owner_label,
            "is_suggested": row[0].suggested_entry_id is not None,
        }
        for row in rows
    ]


def match_rows(rows: Iterable[Any], now_on: date) -> list[dict[str, Any]]:
    """Rows of what agrees, in the same shape."""
    return [
        {
            "href": url_for("admin.payouts.show", reference=row.payout_reference) if row.payout_reference else None,
            "id": row[0].id,
            "kind": FindingKind.MATCHED,
            "state": FindingState.RESOLVED,
            "source": Source(row[0].source).label,
            "label": f"{row[1].counterparty} {row[1].text}".strip() or row.our_id or "–",
            "payout": row.payout_reference,
            "ours": money(row[0].ours_minor, row[0].currency),
            "theirs": money(row[0].theirs_minor, row[0].currency),
            "ours_said": "", "theirs_said": said(row[1].status) if row[1].status else "",
            "day": row[1].booked_on,
            "age": max((now_on - row[1].booked_on).days, 0),
            "owner": "", "is_suggested": False,
        }
        for row in rows
    ]  # fmt: skip


def export_rows(rows: Iterable[Any], now_on: date) -> Iterator[list[Any]]:
    """Findings as rows of a file."""
    for row in rows:
        f: Finding = row[0]
        ours, theirs = money(f.ours_minor, f.currency), money(f.theirs_minor, f.currency)
        yield [
            f.id, f.kind, f.source, f.state, row.payout_reference, row.our_id, f.label, f.currency, ours, theirs,
            money(resolving.difference(f), f.currency), f.ours_words, f.theirs_words, f.happened_on,
            max((now_on - f.happened_on).days, 0), f.owner_label, f.resolution, f.note, f.found_at,
            f.resolved_by_label, f.resolved_at,
        ]  # fmt: skip


def match_export_rows(rows: Iterable[Any], now_on: date) -> Iterator[list[Any]]:
    """What agrees as rows of a file, in the same columns."""
    for row in rows:
        m, line = row[0], row[1]
        amount = Money(m.ours_minor, m.currency)
        yield [
            m.id, "matched", m.source, "matched", row.payout_reference, row.our_id,
            f"{line.counterparty} {line.text}".strip(), m.currency, amount, Money(m.theirs_minor, m.currency),
            Money(0, m.currency), "", line.status, line.booked_on, max((now_on - line.booked_on).days, 0), "",
            m.how, "", m.at, m.by_label, m.at,
        ]  # fmt: skip


def tie_context(tie: Tie) -> dict[str, Any]:
    """One account's balances with everything that lies between them."""
    parts = [
        ("Balance before the first statement", tie.opening, None, _list("amount_differs")),
        ("Only on their statement", tie.theirs_only, tie.theirs_only_count, _list("theirs_only")),
        ("Only in our ledger", tie.ours_only, tie.ours_only_count, _list("ours_only")),
        ("Amounts that differ", tie.amounts, tie.amounts_count, _list("amount_differs")),
        ("Booked on another day, or not yet", tie.timing, None, _list("state_differs")),
        ("Statements that are missing", tie.gap, None, _list("theirs_only")),
    ]
    shown = [part for part in parts if part[1] or part[2]]
    difference = Money(tie.difference, tie.currency)
    words = (
        "Both agree to the cent."
        if not tie.difference
        else f"They have {_plain(difference)} more than we have."
    )
    if tie.difference < 0:
        words = f"They have {_plain(-difference)} less than we have."
    return {
        "tie": tie,
        "ours": Money(tie.ours, tie.currency),
        "theirs": Money(tie.theirs, tie.currency),
        "difference": difference,
        "words": words,
        "parts": [(label, Money(amount, tie.currency), n, href) for label, amount, n, href in shown],
        "figure": charts.waterfall(
            key=f"tie-{tie.account_id}",
            title=f"From our balance to theirs, {tie.currency}",
            finding=words,
            start=("Our ledger", tie.ours),
            changes=[(label, amount) for label, amount, _, _ in shown if amount],
            end_label="Their statement",
            say=lambda amount: _plain(Money(amount, tie.currency)),
        ),
    }


def _plain(amount: Money) -> str:
    return str(filters.money(amount))


def _list(kind: str) -> str:
    return url_for("admin.reconciliation.findings", kind=kind, source="bank")


def counted(counts: dict[str, int], run: ReconciliationRun | None = None) -> list[dict[str, Any]]:
    """Figures of a comparison as cards."""
    kinds = {kind.value for kind in FindingKind}
    return [
        {
            "label": COUNT_WORDS[name],
            "value": f"{n:,}",
            "href": url_for("admin.reconciliation.findings", run=run.reference, kind=name, state="")
            if run is not None and name in kinds and n
            else None,
            "note": None,
        }
        for name, n in counts.items()
        if name in COUNT_WORDS and (n or name in _ALWAYS)
    ]


def run_rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Rows of the list of files."""
    return [
        {
            "file": row[0],
            "run": row.run_reference,
            "state": FileState(row[0].state),
            "source": Source(row[0].source),
        }
        for row in rows
    ]


def owner_options(finding: Finding) -> list[Any]:
    """The admins who can see to a finding."""
    admins = [(str(user.id), user.email) for user in members.active_admins(finding.organisation_id)]
    return options(admins, nothing="Nobody yet")


def finding_context(finding: Finding) -> dict[str, Any]:
    """Everything that is known of a finding."""
    line, found = queries.line_of(finding), queries.transfer_of(finding)
    transfer, reference = found if found else (None, None)
    return {
        "finding": finding,
        "kind": FindingKind(finding.kind),
        "state": FindingState(finding.state),
        "source": Source(finding.source),
        "line": line,
        "line_amount": money(line.amount_minor, line.currency) if line else None,
        "transfer": transfer,
        "transfer_state": TransferState(transfer.state) if transfer else None,
        "payout_reference": reference,
        "ours": money(finding.ours_minor, finding.currency),
        "theirs": money(finding.theirs_minor, finding.currency),
        "difference": money(resolving.difference(finding), finding.currency),
        "ours_said": said(finding.ours_words),
        "theirs_said": said(finding.theirs_words),
        "age": max((today() - finding.happened_on).days, 0),
        "ways": resolving.ways(finding),
        "resolution": Resolution(finding.resolution) if finding.resolution else None,
    }


def settle_context(finding: Finding, form: SettleForm, way: Resolution) -> dict[str, Any]:
    """The step in which a finding is settled in one way."""
    context = {**finding_context(finding), "way": way, "form": form}
    if way is Resolution.LINK:
        candidates = queries.entries_for(finding) if finding.line_id else queries.lines_for(finding)
        if finding.suggested_entry_id and not form.half.data:
            form.half.data = str(finding.suggested_entry_id)
        form.half.choices = options((str(c.id), _candidate(c, finding)) for c in candidates)
        context["candidates"] = candidates
    form.note.flags.optional = way is not Resolution.EXPLAIN
    if way is Resolution.BOOK:
        context |= _book_context(finding, form)
    return context


def _candidate(candidate: queries.Candidate, finding: Finding) -> str:
    amount = _plain(Money(candidate.amount_minor, finding.currency))
    mark = " (suggested)" if candidate.id == finding.suggested_entry_id and finding.line_id else ""
    return f"{candidate.day.isoformat()}, {amount}: {candidate.words[:120]}{mark}"


def _book_context(finding: Finding, form: SettleForm) -> dict[str, Any]:
    proposal = resolving.proposal_of(finding)
    choices = resolving.counters(finding)
    form.account.choices = options(choices, nothing=None if len(choices) == 1 else "Choose…")
    against = (
        proposal.against if proposal else form.account.data or (choices[0][0] if len(choices) == 1 else "")
    )
    hours = resolving.alone_hours(finding.organisation_id)
    shown: dict[str, Any] = {"proposal": proposal, "changes": [], "alone_hours": hours, "against": against}
    if proposal is None and against in dict(choices):
        proposal = resolving.draft(finding, against, actor(), utc_now())
    if proposal is not None:
        shown["changes"] = correction.preview(finding.organisation_id, proposal)
        shown["on"] = proposal.effective_on
        shown["may_confirm"] = correction.may_confirm(proposal, current_user.id, hours, utc_now())
        shown["alone_from"] = correction.alone_from(proposal.proposed_at, hours)
        shown["others"] = sorted(
            user.email
            for user in members.active_admins(finding.organisation_id, without=proposal.proposed_by_id)
        )
    return shown


def file_facts(file: StatementFile) -> list[tuple[str, Any]]:
    """What a file is, for the page of its dry run."""
    return [
        ("File", file.file_name),
        ("What it is", FileFormat(file.format).label),
        ("Lines", f"{file.lines:,}"),
        ("Uploaded by", file.created_by_label),
    ]

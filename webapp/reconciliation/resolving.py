"""How findings are settled: linked, booked by two people, explained, or asked of the provider. Nothing by itself.

Each kind has its own ways; what cannot be right for a kind is not offered and is refused.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select

from webapp.database import db
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.money import Money
from webapp.ledger import correction
from webapp.ledger.correction import Proposal
from webapp.ledger.models import Account, JournalEntry, Posting
from webapp.payouts import policies
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout, Transfer
from webapp.providers import registry
from webapp.reconciliation import findings, matching, service
from webapp.reconciliation.matching import Marks
from webapp.reconciliation.models import Finding, Match, StatementLine
from webapp.reconciliation.states import FindingKind, FindingState, Resolution, Source

_K, _S, _R = FindingKind, FindingState, Resolution
BANK = "bank"
# What money that only the bank shows can have been: code, words, and where it fits (out, in).
COUNTERS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("expense:bank_fees", "Bank charges", frozenset({"out"})),
    ("expense:other", "Another expense", frozenset({"out"})),
    ("income:interest", "Interest", frozenset({"in"})),
    ("collections", "Payments collected by the gateway", frozenset({"in"})),
    ("funding", "The organisation's own money, put in or taken out", frozenset({"in", "out"})),
    ("suspense", "Not known yet: into suspense", frozenset({"in", "out"})),
)
OPENING = ("opening", "Balance from before Paydesk")


def ways(finding: Finding) -> list[Resolution]:
    """How a finding can be settled; none when it is settled."""
    if finding.state == _S.RESOLVED:
        return []
    kind, is_bank = FindingKind(finding.kind), finding.source == Source.BANK
    found: list[Resolution] = []
    if is_bank and (
        (kind is _K.THEIRS_ONLY and finding.line_id is not None)
        or (kind is _K.OURS_ONLY and finding.entry_id is not None)
    ):
        found.append(_R.LINK)
    if bookable(finding):
        found.append(_R.BOOK)
    if askable(finding):
        found.append(_R.ASK)
    found.append(_R.EXPLAIN)
    return found


def bookable(finding: Finding) -> bool:
    """Whether a correction of the bank account can settle it: the bank's word is there, and ours is less or none."""
    if finding.source != Source.BANK or difference(finding) == 0:
        return False
    if finding.kind == _K.THEIRS_ONLY:
        return finding.line_id is not None
    return finding.kind == _K.AMOUNT_DIFFERS and not (finding.match_id and not _is_booked(finding))


def _is_booked(finding: Finding) -> bool:
    match = db.session.get(Match, finding.match_id)
    return match is not None and match.entry_id is not None


def askable(finding: Finding) -> bool:
    """Whether a provider can be asked about the transfer of a finding."""
    transfer = db.session.get(Transfer, finding.transfer_id) if finding.transfer_id else None
    if transfer is None or transfer.sends == 0 or transfer.state in ("review", "reversed"):
        return False
    try:
        registry.rail(transfer.rail)
    except KeyError:
        return False
    return transfer.rail != "bank_file"


def difference(finding: Finding) -> int:
    """What their book has more than ours, in minor units; in > 0."""
    return (finding.theirs_minor or 0) - (finding.ours_minor or 0)


def counters(finding: Finding) -> list[tuple[str, str]]:
    """The accounts that a correction can be booked against, with words."""
    if finding.subject_key.startswith("opening:"):
        return [OPENING]
    way = "in" if difference(finding) > 0 else "out"
    return [(code, words) for code, words, ways in COUNTERS if way in ways]


def alone_hours(organisation_id: int) -> int | None:
    """Hours after which one person alone may confirm; None where two people are needed."""
    rules = policies.current_policy(organisation_id)[0].single_operator
    return rules.delay_hours if rules.is_on else None


def draft(finding: Finding, against: str, actor: Actor, now: datetime) -> Proposal:
    """The correction that would settle a finding. Raises Invalid for an account that does not fit."""
    if not bookable(finding):
        raise Conflict("This finding is not settled by a correction.")
    if against not in {code for code, _ in counters(finding)}:
        raise Invalid("account", "Choose what the money was.")
    return Proposal(
        code=BANK,
        against=against,
        currency=finding.currency,
        amount_minor=difference(finding),
        effective_on=finding.happened_on,
        description=f"Finding {finding.id}: {finding.label}"[:300],
        proposed_by_id=actor.user_id,
        proposed_at=now,
    )


def proposal_of(finding: Finding) -> Proposal | None:
    """The correction that waits for its second person."""
    kept = finding.proposal
    if finding.state != _S.PROPOSED or not kept or finding.proposed_at is None:
        return None
    return Proposal(
        code=BANK,
        against=kept["against"],
        currency=finding.currency,
        amount_minor=int(kept["amount_minor"]),
        effective_on=date.fromisoformat(kept["effective_on"]),
        description=kept["description"],
        proposed_by_id=finding.proposed_by_id,
        proposed_at=finding.proposed_at,
    )


def _begin(organisation_id: int, finding_id: int, way: Resolution, expected_version: int | None) -> Finding:
    service.lock_organisation(organisation_id)
    finding = service.lock_finding(organisation_id, finding_id)
    if finding.state == _S.RESOLVED:
        who = finding.resolved_by_label or "Paydesk"
        raise Conflict(
            f"{who} has settled this finding already: {Resolution(finding.resolution).label.lower()}."
        )
    service.check_version(finding, expected_version)
    if way not in ways(finding):
        raise Conflict(f"This finding cannot be settled so: {way.label.lower()}.")
    return finding


def _resolve(finding: Finding, way: Resolution, note: str, actor: Actor, now: datetime) -> None:
    finding.state, finding.resolution, finding.note = _S.RESOLVED.value, way.value, note[:2000]
    finding.resolved_by_id, finding.resolved_by_label = actor.user_id, actor.label[:254]
    finding.resolved_at, finding.proposal = now, {}
    db.session.flush()


def propose(
    *, organisation_id: int, finding_id: int, against: str, note: str, actor: Actor, now: datetime,
    expected_version: int | None = None,
) -> Finding:  # fmt: skip
    """One person's correction; nothing is booked before a second person confirms it. Raises Invalid, Conflict."""
    finding = _begin(organisation_id, finding_id, _R.BOOK, expected_version)
    proposal = draft(finding, against, actor, now)
    correction.check(proposal.code, proposal.against, proposal.amount_minor)
    finding.state, finding.note = _S.PROPOSED.value, note.strip()[:2000]
    finding.proposal = {
        "against": against,
        "amount_minor": proposal.amount_minor,
        "effective_on": proposal.effective_on.isoformat(),
        "description": proposal.description,
    }
    finding.proposed_by_id, finding.proposed_by_label = actor.user_id, actor.label[:254]
    finding.proposed_at = now
    amount = Money(proposal.amount_minor, finding.currency).plain
    changes = {"correction": [None, f"bank {amount} {finding.currency} against {against}"]}
    service.record_finding(finding, "correction_proposed", actor, now, changes, finding.note)
    return finding


def withdraw(
    *, organisation_id: int, finding_id: int, actor: Actor, now: datetime, expected_version: int | None = None
) -> Finding:
    """Take a proposed correction back; the finding is open again. Raises Conflict when none is there."""
    finding = service.lock_finding(organisation_id, finding_id)
    service.check_version(finding, expected_version)
    if finding.state != _S.PROPOSED:
        raise Conflict("No correction is proposed for this finding.")
    finding.state, finding.proposal, finding.proposed_by_id = _S.OPEN.value, {}, None
    service.record_finding(finding, "correction_withdrawn", actor, now, {})
    return finding


def confirm(
    *, organisation_id: int, finding_id: int, actor: Actor, now: datetime, expected_version: int | None = None
) -> Finding:
    """The second person's word: the correction is booked, and the line has its other half.

    Raises Conflict when the same person must wait, or when what is to be corrected has changed meanwhile.
    """
    finding = _begin(organisation_id, finding_id, _R.BOOK, expected_version)
    proposal = proposal_of(finding)
    if proposal is None:
        raise Conflict("No correction is proposed for this finding.")
    if proposal.amount_minor != difference(finding):
        raise Conflict(
            "The amounts have changed since the correction was proposed. Withdraw it and look again."
        )
    entry = correction.book(
        organisation_id=organisation_id,
        proposal=proposal,
        source_type="reconciliation_finding",
        source_id=finding.id,
        idempotency_key=f"reconciliation:finding:{finding.id}:{finding.version}",
        alone_hours=alone_hours(organisation_id),
        actor=actor,
        now=now,
    )
    finding.booked_entry_id = entry.id
    _match_correction(finding, entry.id, proposal.amount_minor, actor, now)
    is_alone = actor.user_id == finding.proposed_by_id
    note = f"{finding.note} (single operator)".strip() if is_alone else finding.note
    _resolve(finding, _R.BOOK, note, actor, now)
    service.record_finding(
        finding, "correction_booked", actor, now, {"journal entry": [None, entry.id]}, note
    )
    _tidy(finding, now)
    return finding


def _match_correction(finding: Finding, entry_id: int, amount: int, actor: Actor, now: datetime) -> None:
    """The line is explained by the correction, alone or beside what it was matched with."""
    if finding.line_id is None:
        return
    line = db.session.get_one(StatementLine, finding.line_id, with_for_update=True)
    is_second = finding.match_id is not None
    if is_second:
        db.session.get_one(Match, finding.match_id).is_batch = True
        db.session.flush()
    db.session.add(
        Match(
            organisation_id=finding.organisation_id, source=line.source, line_id=line.id,
            direction="out" if amount < 0 else "in", entry_id=entry_id, is_batch=is_second, how="correction",
            currency=line.currency, ours_minor=amount, theirs_minor=amount, by_label=actor.label[:254], at=now,
        )
    )  # fmt: skip
    line.is_matched = True
    db.session.flush()


def _tidy(finding: Finding, now: datetime) -> None:
    """Other findings about the same rows are over too; the figures of the balances are made anew."""
    marks = Marks(finding.organisation_id, None, f"Finding {finding.id}", now)
    findings.close_agreed(marks)
    findings.of_balances(marks)
    db.session.expire_all()


def link(
    *, organisation_id: int, finding_id: int, line_id: int | None = None, entry_id: int | None = None,
    note: str = "", actor: Actor, now: datetime, expected_version: int | None = None,
) -> Finding:  # fmt: skip
    """Say that a line and an entry of the bank account are the same movement. No money moves.

    A finding of a line names the entry, one of an entry the line. Different amounts become a finding of their own.
    Raises Invalid when the other half is not free, in another currency or the other way round.
    """
    finding = _begin(organisation_id, finding_id, _R.LINK, expected_version)
    line_id, entry_id = finding.line_id or line_id, finding.entry_id or entry_id
    field = "entry" if finding.line_id else "line"
    line = _open_line(organisation_id, line_id, field)
    amount = _open_entry(organisation_id, entry_id, line.currency, field)
    if (amount < 0) != (line.amount_minor < 0):
        raise Invalid(field, "One is money in and the other money out; they cannot be the same movement.")
    transfer_id = transfer_of_entry(entry_id or 0)
    db.session.add(
        Match(
            organisation_id=organisation_id, source=Source.BANK.value, line_id=line.id,
            direction="out" if amount < 0 else "in", transfer_id=transfer_id, entry_id=entry_id, how="hand",
            currency=line.currency, ours_minor=amount, theirs_minor=line.amount_minor,
            by_label=actor.label[:254], at=now,
        )
    )  # fmt: skip
    line.is_matched = True
    db.session.flush()
    _resolve(finding, _R.LINK, note.strip(), actor, now)
    changes = {"line": [None, line.id], "journal entry": [None, entry_id]}
    service.record_finding(finding, "linked", actor, now, changes, note.strip())
    findings.of_bank(Marks(organisation_id, finding.run_id, actor.label, now))
    _tidy(finding, now)
    return finding


def _open_line(organisation_id: int, line_id: int | None, field: str) -> StatementLine:
    line = db.session.scalar(
        select(StatementLine)
        .where(
            StatementLine.organisation_id == organisation_id,
            StatementLine.id == (line_id or 0),
            StatementLine.source == Source.BANK.value,
        )
        .with_for_update()
    )
    if line is None:
        raise Invalid(field, "Choose the other half.")
    if line.is_matched:
        raise Conflict("This line has its other half already; somebody may have linked it meanwhile.")
    return line


def _open_entry(organisation_id: int, entry_id: int | None, currency: str, field: str) -> int:
    """What an entry moved on the bank account. Raises Invalid, Conflict."""
    amount = db.session.scalar(
        select(func.sum(Posting.amount_minor))
        .join(Account, Account.id == Posting.account_id)
        .join(JournalEntry, JournalEntry.id == Posting.entry_id)
        .where(
            JournalEntry.organisation_id == organisation_id,
            JournalEntry.id == (entry_id or 0),
            JournalEntry.currency == currency,
            Account.code == BANK,
        )
    )
    if not amount:
        raise Invalid(field, "Choose the other half.")
    if db.session.scalar(select(Match.id).where(Match.entry_id == entry_id)) is not None:
        raise Conflict("This journal entry has its line already; somebody may have linked it meanwhile.")
    return int(amount)


def transfer_of_entry(entry_id: int) -> int | None:
    """The transfer whose success an entry booked."""
    key = db.session.scalar(select(JournalEntry.idempotency_key).where(JournalEntry.id == entry_id)) or ""
    parts = key.split(":")
    if len(parts) != 3 or parts[0] != "transfer" or parts[2] != "succeeded":
        return None
    transfer_id = int(parts[1])
    taken = select(Match.id).where(
        Match.transfer_id == transfer_id, Match.source == Source.BANK.value, Match.direction == "out"
    )
    return transfer_id if db.session.scalar(taken) is None else None


def explain(
    *, organisation_id: int, finding_id: int, note: str, actor: Actor, now: datetime,
    expected_version: int | None = None,
) -> Finding:  # fmt: skip
    """Close a finding with a reason; nothing is booked, and the difference stays in the balances. Raises Invalid."""
    finding = _begin(organisation_id, finding_id, _R.EXPLAIN, expected_version)
    note = note.strip()
    if len(note) < 5:
        raise Invalid("note", "Say why this is all right.", "The bank books it on the next working day.")
    _resolve(finding, _R.EXPLAIN, note, actor, now)
    service.record_finding(finding, "explained", actor, now, {}, note)
    return finding


def reopen(
    *, organisation_id: int, finding_id: int, actor: Actor, now: datetime, expected_version: int | None = None
) -> Finding:
    """Take an explanation back. Raises Conflict for what was settled in another way."""
    finding = service.lock_finding(organisation_id, finding_id)
    service.check_version(finding, expected_version)
    if finding.state != _S.RESOLVED or finding.resolution != _R.EXPLAIN:
        raise Conflict("Only an explained finding can be opened again.")
    finding.state, finding.resolution, finding.resolved_at = _S.OPEN.value, "", None
    finding.resolved_by_id, finding.resolved_by_label = None, ""
    service.record_finding(finding, "reopened", actor, now, {})
    _tidy(finding, now)
    return finding


def ask(
    *, organisation_id: int, finding_id: int, actor: Actor, now: datetime, expected_version: int | None = None
) -> Finding:
    """Have a worker ask the provider about the transfer; the finding closes once both sides agree. Raises Conflict."""
    finding = _begin(organisation_id, finding_id, _R.ASK, expected_version)
    payouts.ask_status(
        organisation_id=organisation_id, reference=payout_reference(finding), actor=actor, now=now
    )
    finding.state = _S.ASKED.value
    service.record_finding(finding, "provider_asked", actor, now, {})
    return finding


def payout_reference(finding: Finding) -> str:
    """The payout of the transfer of a finding. Raises NotFound when it has none."""
    reference = db.session.scalar(
        select(Payout.reference)
        .join(Transfer, Transfer.payout_id == Payout.id)
        .where(Transfer.id == (finding.transfer_id or 0), Payout.organisation_id == finding.organisation_id)
    )
    if reference is None:
        raise NotFound
    return reference


def look_again(*, organisation_id: int, actor: Actor, now: datetime) -> int:
    """Tie to new entries what was seen before, and close what agrees; how many findings were closed."""
    service.lock_organisation(organisation_id)
    marks = Marks(organisation_id, None, actor.label[:254], now)
    for source in (Source.BANK, Source.PROVIDER):
        matching.match(source, marks)
    closed, new = findings.close_agreed(marks), findings.of_webhooks(marks)
    findings.of_balances(marks)
    service.record_look(organisation_id, closed, new, actor, now)
    db.session.expire_all()
    return closed

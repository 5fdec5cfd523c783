"""Mails about a driver's week: the receipt with its PDF, a charge that is disputed, what was decided about it."""

from __future__ import annotations

from functools import partial

from webapp.database import db
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.kernel.words import day_range
from webapp.notices.compose import say_day, say_money
from webapp.notices.delivery import to_admins, to_payee
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Attachment, Desk
from webapp.people.models import Organisation, Payee
from webapp.programs.repairs import receipt_facts
from webapp.programs.repairs.books import Dispute
from webapp.programs.repairs.receipt_facts import ReceiptFacts
from webapp.programs.repairs.states import DisputeState
from webapp.statements.models import Document

RECEIPT, OPENED, DECIDED = "receipt", "dispute_opened", "dispute_decided"


def receipt(document_id: int, *, desk: Desk) -> Email | None:
    """Send a driver the weekly receipt that was drawn; None when nobody knows an address. Raises NotFound."""
    document = db.session.get(Document, document_id)
    if document is None:
        raise NotFound
    payee = db.session.get_one(Payee, document.payee_id)
    organisation = db.session.get_one(Organisation, document.organisation_id)
    facts = receipt_facts.from_json(document.facts)
    say = partial(say_money, home_currency=organisation.currency, locale=organisation.locale)
    week = day_range(facts.period_start, facts.period_end)
    outcome = _outcome(facts, say(Money(abs(facts.answer.amount), facts.currency)))
    letter = Letter(
        folder=RECEIPT,
        organisation=organisation.name,
        reference=facts.number,
        rows=_rows(facts, say),
        values={
            "week": week,
            "outcome": outcome,
            "is_correction": bool(facts.replaces_number),
            "is_final": facts.is_final,
            "replaces": facts.replaces_number,
            "reason": facts.reason,
            "repairs": _repairs(facts, say) or f"{outcome[:1].upper()}{outcome[1:]}.",
        },
        link=f"{desk.public_url}/driver/receipts/{facts.number}" if payee.user_id else "",
    )
    paper = (
        Attachment(document.storage_key, f"{document.number}.pdf", document.sha256)
        if document.state == "ready"
        else None
    )
    return to_payee(letter, payee, f"{RECEIPT}:{document.id}", organisation, desk, attachment=paper)


def _outcome(facts: ReceiptFacts, amount: str) -> str:
    if facts.paid_minor:
        return f"{amount} due to you"
    if facts.closing_minor < 0:
        return f"{amount} carried forward, owed by you"
    return f"{amount} carried forward, kept for you" if facts.closing_minor else "nothing is due"


def _rows(facts: ReceiptFacts, say: partial[str]) -> tuple[tuple[str, str], ...]:
    """Five lines from what the week began with to what comes of it."""

    def amount(minor: int) -> str:
        return say(Money(minor, facts.currency))

    last = ("Carried to the next week", amount(facts.closing_minor)) if facts.closing_minor else ("", "")
    return (
        ("Balance of the week before", amount(facts.opening_minor) if facts.opening_minor else ""),
        ("Earned", amount(facts.earnings_minor)),
        ("Charges", amount(-facts.charges_minor)),
        ("Payments and credits", amount(facts.adjustments_minor) if facts.adjustments_minor else ""),
        ("Net", amount(facts.net_minor)),
        ("Due to you", amount(facts.paid_minor) if facts.paid_minor else ""),
        last,
    )


def _repairs(facts: ReceiptFacts, say: partial[str]) -> str:
    """ "Repairs $200.00 taken, $600.00 left." Empty without an instalment of a repair."""
    rows = [each for each in facts.instalments if each.about.startswith("Repair")]
    if not rows:
        return ""
    taken = Money(sum(each.amount_minor for each in rows), facts.currency)
    # Of a repair with two instalments in a week the rest is told once.
    left = Money(sum({each.about: each.left_minor for each in rows}.values()), facts.currency)
    return f"Repairs {say(taken)} taken, {say(left)} left."


def _dispute(dispute_id: int) -> tuple[Dispute, Organisation, str]:
    row = db.session.get(Dispute, dispute_id)
    if row is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, row.organisation_id)
    amount = say_money(
        Money(row.charge.amount_minor, row.charge.currency),
        home_currency=organisation.currency,
        locale=organisation.locale,
    )
    return row, organisation, amount


def dispute_opened(dispute_id: int, *, desk: Desk) -> list[Email]:
    """Tell the admins that a charge is disputed; nobody when it is decided meanwhile. Raises NotFound."""
    row, organisation, amount = _dispute(dispute_id)
    if row.state != DisputeState.OPEN:
        return []
    letter = Letter(
        folder=OPENED,
        organisation=organisation.name,
        reference=row.reference,
        rows=(
            ("Driver", f"{row.payee.name}, {row.payee.reference}"),
            ("Charge", row.charge.description),
            ("Of", say_day(row.charge.charged_on)),
            ("Amount", amount),
            ("Why", row.reason),
        ),
        values={"driver": row.payee.name, "amount": amount},
        link=f"{desk.public_url}/admin/repairs/disputes",
    )
    return to_admins(letter, f"{OPENED}:{row.id}", organisation, desk)


def dispute_decided(dispute_id: int, *, desk: Desk) -> Email | None:
    """Tell a driver whether a charge stands, and why; None when nobody knows an address. Raises NotFound."""
    row, organisation, amount = _dispute(dispute_id)
    if row.state == DisputeState.OPEN:
        return None
    letter = Letter(
        folder=DECIDED,
        organisation=organisation.name,
        reference=row.reference,
        rows=(
            ("Charge", row.charge.description),
            ("Of", say_day(row.charge.charged_on)),
            ("Amount", amount),
            ("Decision", DisputeState(row.state).label),
            ("Answer", row.answer),
        ),
        values={"amount": amount, "is_accepted": row.state == DisputeState.ACCEPTED},
        link=f"{desk.public_url}/driver/ledger" if row.payee.user_id else "",
    )
    return to_payee(letter, row.payee, f"{DECIDED}:{row.id}", organisation, desk)

"""Mails about work: results of runs and imports, changed rules, a statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from sqlalchemy import select

from webapp.audit.models import AuditEvent
from webapp.database import db
from webapp.imports.models import ImportFile
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.kernel.words import day_range
from webapp.notices import preferences
from webapp.notices.compose import WORDS, say_money
from webapp.notices.delivery import to_admins, to_payee, to_user
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.payouts.models import ApprovalPolicy, PolicyProposal
from webapp.people.models import Membership, Organisation, Payee, User
from webapp.runs.models import Run

_RULES = {
    "tiers": "How many people approve",
    "separate_payer_above_minor": "Who approved does not pay above",
    "cool_off_hours": "Hours without payment after changed details",
    "method_editor_days": "Days without approving after entering details",
    "single_operator": "One person runs the organisation",
    "cut_off": "Until when a payment can be stopped",
    "rails": "Rails in use",
    "retry_minutes": "Minutes until automatic retries",
    "minimum_minor": "Smallest automatic payout",
    "template": "Template",
}


def admin_added(membership_id: int, *, desk: Desk) -> list[Email]:
    """Tell the other admins that somebody became one; nobody when that was taken back meanwhile."""
    membership = db.session.get(Membership, membership_id)
    if membership is None:
        return []
    organisation, added = membership.organisation, membership.user
    event = db.session.scalar(
        select(AuditEvent)
        .where(
            AuditEvent.organisation_id == organisation.id,
            AuditEvent.tag == "people:membership:added",
            AuditEvent.subject_type == "user",
            AuditEvent.subject_id == added.id,
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    )
    letter = Letter(
        folder="admin_added",
        organisation=organisation.name,
        reference=added.email,
        rows=(
            ("New admin", added.email),
            ("Given by", event.actor_label if event else "Nobody is written down"),
            ("When", instant_text(membership.created_at, organisation.timezone)),
        ),
        values={"who": added.email, "is_invited": added.password_hash is None},
        link=f"{desk.public_url}/admin/users",
    )
    return to_admins(letter, f"admin_added:{membership.id}", organisation, desk, without=added.id)


def bulk_result(run_id: int, *, desk: Desk) -> Email | None:
    """Tell the person who started a run what became of it; None when they do not want to know. Raises NotFound."""
    run = db.session.get(Run, run_id)
    if run is None:
        raise NotFound
    user = db.session.get(User, run.created_by_id) if run.created_by_id else None
    if user is None:
        return None
    organisation = db.session.get_one(Organisation, run.organisation_id)
    words = [f"{run.done:,} done"]
    words += [f"{run.skipped:,} skipped"] if run.skipped else []
    words += [f"{run.failed:,} failed"] if run.failed else []
    letter = Letter(
        folder="bulk_result",
        organisation=organisation.name,
        name=user.name,
        reference=run.reference,
        rows=(
            ("Done", f"{run.done:,}"),
            ("Skipped", f"{run.skipped:,}"),
            ("Failed", f"{run.failed:,}"),
            ("Finished", instant_text(run.finished_at, organisation.timezone) if run.finished_at else ""),
        ),
        values={"counts": ", ".join(words), "title": run.title, "n_failed": run.failed},
        link=f"{desk.public_url}/admin/runs/{run.reference}",
        is_optional=True,
    )
    return to_user(letter, user, f"bulk_result:{run.id}", organisation, desk)


def import_result(import_id: int, *, desk: Desk) -> Email | None:
    """Tell the person who imported a file what became of it; None when they do not want to know. Raises NotFound."""
    file = db.session.get(ImportFile, import_id)
    if file is None:
        raise NotFound
    user = db.session.get(User, file.created_by_id) if file.created_by_id else None
    if user is None:
        return None
    organisation = db.session.get_one(Organisation, file.organisation_id)
    is_failed = file.state == "failed"
    stored = file.created + file.updated
    counts = "Import stopped" if is_failed else f"{stored:,} stored, {file.refused:,} refused"
    letter = Letter(
        folder="import_result",
        organisation=organisation.name,
        name=user.name,
        reference=file.reference,
        rows=(
            ("New", f"{file.created:,}"),
            ("Changed", f"{file.updated:,}"),
            ("As before", f"{file.unchanged:,}"),
            ("Refused", f"{file.refused:,}"),
        ),
        values={
            "counts": counts,
            "file_name": file.file_name,
            "is_failed": is_failed,
            "reason": file.error or "no reason was written down.",
            "n_refused": file.refused,
        },
        link=f"{desk.public_url}/admin/imports/{file.reference}",
        is_optional=True,
    )
    return to_user(letter, user, f"import_result:{file.id}", organisation, desk)


def _rule(value: object) -> str:
    return "none" if value in (None, "", [], {}) else str(value).replace("'", "")


def _changed_rules(before: dict[str, object], after: dict[str, object]) -> str:
    """The names of the rules that differ; what they say exactly stands on the page and in the audit trail."""
    return "; ".join(
        label for key, label in _RULES.items() if _rule(before.get(key)) != _rule(after.get(key))
    )


def _rules_of(organisation_id: int, version: int) -> dict[str, object]:
    """The rules of a version; empty for the template, which is version 0."""
    query = select(ApprovalPolicy.rules).where(
        ApprovalPolicy.organisation_id == organisation_id, ApprovalPolicy.version == version
    )
    return db.session.scalar(query) or {}


def policy_changed(policy_id: int, *, desk: Desk) -> list[Email]:
    """Tell every admin that other approval rules are in force. Raises NotFound."""
    row = db.session.get(ApprovalPolicy, policy_id)
    if row is None:
        raise NotFound
    organisation = db.session.get_one(Organisation, row.organisation_id)
    before = _rules_of(row.organisation_id, row.version - 1)
    by = db.session.get(User, row.created_by_id) if row.created_by_id else None
    who = by.name if by else "The command line"
    letter = Letter(
        folder="policy_changed",
        organisation=organisation.name,
        rows=(
            ("Version", str(row.version)),
            ("Changed by", who),
            ("Rules that differ", _changed_rules(before, row.rules) if before else "All of them"),
            ("When", instant_text(row.created_at, organisation.timezone)),
        ),
        values={"who": who, "version": str(row.version)},
        link=f"{desk.public_url}/admin/settings",
    )
    return to_admins(letter, f"policy_changed:{row.id}", organisation, desk)


def policy_proposed(proposal_id: int, *, desk: Desk) -> list[Email]:
    """Tell every other admin that changed approval rules wait for one of them. Raises NotFound."""
    row = db.session.get(PolicyProposal, proposal_id)
    if row is None:
        raise NotFound
    if row.state != "pending":
        return []
    organisation = db.session.get_one(Organisation, row.organisation_id)
    before = _rules_of(row.organisation_id, row.base_version)
    by = db.session.get(User, row.proposed_by_id) if row.proposed_by_id else None
    letter = Letter(
        folder="policy_proposed",
        organisation=organisation.name,
        rows=(
            ("Asked by", by.name if by else row.proposed_by_label),
            ("Reason", row.note),
            ("Rules that differ", _changed_rules(before, row.rules) if before else ""),
            ("When", instant_text(row.proposed_at, organisation.timezone)),
        ),
        values={"who": by.name if by else "The command line", "version": ""},
        link=f"{desk.public_url}/admin/settings",
    )
    key = f"policy_proposed:{row.id}"
    return to_admins(letter, key, organisation, desk, without=by.id if by else None)


@dataclass(frozen=True)
class StatementFacts:
    """A monthly statement as its mail tells it. Balances in minor units of `currency`."""

    document_id: int
    organisation_id: int
    payee_id: int
    number: str
    period_start: date
    period_end: date
    currency: str
    closing_minor: int
    is_reissue: bool = False
    # What programs hold beside it, by their own words: a wallet, rent that is held.
    balances: tuple[tuple[str, int], ...] = ()


def statement(facts: StatementFacts, *, desk: Desk) -> Email | None:
    """Tell a payee that their monthly statement is ready; None when they do not want to know, or have no address."""
    payee = db.session.get_one(Payee, facts.payee_id)
    organisation = db.session.get_one(Organisation, facts.organisation_id)
    if not preferences.wants("statement", user_id=payee.user_id, payee_id=payee.id):
        return None

    def say(minor: int) -> str:
        money = Money(minor, facts.currency)
        return say_money(money, home_currency=organisation.currency, locale=organisation.locale)

    balances = tuple(
        (label, say(minor)) for label, minor in (("Closing balance", facts.closing_minor), *facts.balances)
    )
    month = str(format_date(facts.period_start, "MMMM y", locale=WORDS))
    letter = Letter(
        folder="statement",
        organisation=organisation.name,
        reference=facts.number,
        rows=(
            ("Statement", facts.number + (" (issued again)" if facts.is_reissue else "")),
            ("Period", day_range(facts.period_start, facts.period_end)),
            *balances,
        ),
        values={"month": month, "closing_words": " ".join(f"{label} {said}." for label, said in balances)},
        link=f"{desk.public_url}/{payee.kind}/statements" if payee.user_id else "",
        is_optional=True,
    )
    return to_payee(letter, payee, f"statement:{facts.document_id}", organisation, desk)

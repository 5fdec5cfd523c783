"""Who may decide about asked-for payment details, and the sentences that say why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.kernel.clock import instant_text
from webapp.kernel.labels import Label


class ChangeState(Label):
    """What became of asked-for payment details."""

    PENDING = (
        "pending",
        "Waits for a second person",
        "waiting",
        "",
        "An admin who did not ask must verify it.",
    )
    VERIFIED = "verified", "Verified", "done", "", "The new details are in force after their cool-off."
    REFUSED = "refused", "Refused", "rejected", "", "The details on file stay."
    WITHDRAWN = "withdrawn", "Withdrawn", "cancelled", "", "The details on file stay."


class Source(Label):
    """The way by which details were asked for."""

    PAYEE = "payee", "The payee, on their own page"
    ADMIN = "admin", "An admin, on the payee's page"
    IMPORT = "import", "An imported file"
    API = "api", "The API"


@dataclass(frozen=True)
class DeciderFacts:
    """All that decides whether a person can verify a change, or release a cool-off, now."""

    user_id: int | None
    is_active_admin: bool
    # Who asked for the details, and who is paid to them.
    asker_id: int | None
    payee_user_id: int | None
    asked_at: datetime
    now: datetime
    timezone: str
    # Hours that stand in for the second person of a one-person company; None: two people are needed.
    single_operator_hours: int | None = None


def _person_reasons(facts: DeciderFacts) -> list[str]:
    reasons = []
    if facts.asker_id is not None and facts.user_id == facts.asker_id:
        reasons.append("You asked for these payment details; a different admin must decide.")
    if facts.payee_user_id is not None and facts.user_id == facts.payee_user_id:
        reasons.append("You are paid to these payment details; a different admin must decide.")
    return reasons


def why_not_decide(facts: DeciderFacts) -> list[str]:
    """Why this person can neither verify the change nor release its cool-off; empty when they can.

    In a one-person company a delay since the change was asked for stands in for the different person.
    """
    if facts.user_id is None or not facts.is_active_admin:
        return ["Only an admin of this organisation can decide."]
    reasons = _person_reasons(facts)
    if not reasons or facts.single_operator_hours is None:
        return reasons
    ready_at = facts.asked_at + timedelta(hours=facts.single_operator_hours)
    if facts.now >= ready_at:
        return []
    return [
        f"One person runs this organisation, so new payment details wait {facts.single_operator_hours} hours. "
        f"You can decide from {instant_text(ready_at, facts.timezone)}."
    ]


def is_alone(facts: DeciderFacts) -> bool:
    """Whether the person may decide only because nobody else is there."""
    return facts.single_operator_hours is not None and bool(_person_reasons(facts))

"""Asking owners for the payment details without which their payouts wait, because an admin presses the button."""

from __future__ import annotations

from datetime import datetime

from webapp.audit import service as audit
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict
from webapp.notices import recipients, wanted
from webapp.programs.rentals import owner_lists


def ask_for_details(*, organisation_id: int, reference: str, actor: Actor, now: datetime) -> bool:
    """Ask an owner by e-mail, once a week at most; False when they were asked this week already.

    Raises NotFound, Conflict when nothing waits for them, or there is nothing to ask for or nowhere to write to.
    """
    owner = owner_lists.get_owner(organisation_id, reference)
    if owner.current_method is not None or owner.pending_change is not None:
        raise Conflict(f"{owner.name} has given payment details. Nothing was asked.")
    if recipients.of_payee(owner) is None:
        raise Conflict(f"{owner.name} has no e-mail address. Add one, or call them.")
    (line,) = owner_lists.lines([owner], now)
    if not line.waiting:
        raise Conflict(f"No payout waits for {owner.name}. They are asked when one does.")
    is_new = wanted.ask(owner, now)
    if is_new:
        audit.record(
            tag="rentals:owner:asked_for_details",
            actor=actor,
            now=now,
            organisation_id=organisation_id,
            subject_type="payee",
            subject_id=owner.id,
            subject_label=f"{owner.reference} {owner.name}",
            changes={},
        )
    return is_new

"""Partners and the programs that their deals belong to."""

from __future__ import annotations

from datetime import datetime

from webapp.database import db, lock_row
from webapp.kernel.actor import Actor
from webapp.people.models import Payee, Role
from webapp.people.numbers import next_number
from webapp.people.queries import get_payee_by_id
from webapp.programs.partners import locking, reattributing, trail
from webapp.programs.partners.drafts import ProfileDraft, ProgramDraft
from webapp.programs.partners.models import PartnerProfile, PartnerProgram


def get_partner(organisation_id: int, payee_id: int) -> Payee:
    """A partner of the organisation. Raises NotFound."""
    return get_payee_by_id(organisation_id, payee_id, Role.PARTNER)


def profile_of(payee: Payee) -> PartnerProfile:
    """What kind of partner somebody is; the least of all where nobody has said so."""
    found = db.session.get(PartnerProfile, payee.id)
    draft = ProfileDraft()
    return found or PartnerProfile(
        payee_id=payee.id, organisation_id=payee.organisation_id, type=draft.type, tier=draft.tier,
        rate_bp=draft.rate_bp, version=0,
    )  # fmt: skip


def change_profile(
    *,
    organisation_id: int,
    payee_id: int,
    draft: ProfileDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> PartnerProfile:
    """Say what kind of partner somebody is and what they get where no rule fits; deals closed before stay as they are.

    Raises NotFound, Invalid, StaleVersion.
    """
    draft.check()
    payee = get_partner(organisation_id, payee_id)
    row = profile_of(payee)
    trail.check_version(row, payee.reference, expected_version)
    row = db.session.merge(row)
    changes = trail.apply(row, {"type": draft.type, "tier": draft.tier, "rate_bp": draft.rate_bp})
    if not changes:
        return row
    row.version += 1
    if "rate_bp" in changes:
        row.changed_by_id = actor.user_id
    db.session.flush()
    trail.record("partner", "changed", row, payee.reference, actor, now, changes)
    return row


def _values(draft: ProgramDraft) -> dict[str, object]:
    return {
        "name": " ".join(draft.name.split()),
        "model": draft.model,
        "role_weights": dict(draft.role_weights),
        "period": draft.period,
        "holding_days": draft.holding_days,
        "final_days": draft.final_days,
        "minimums": dict(draft.minimums),
        "partners_may_request": draft.partners_may_request,
        "is_automatic": draft.is_automatic,
        "is_active": draft.is_active,
    }


def create_program(
    *, organisation_id: int, draft: ProgramDraft, actor: Actor, now: datetime
) -> PartnerProgram:
    """A new program. Raises Invalid."""
    draft.check()
    row = PartnerProgram(
        organisation_id=organisation_id,
        reference=next_number(organisation_id, "PP"),
        external_ref=draft.external_ref or None,
        created_at=now,
        **_values(draft),
    )
    trail.store_new(row, draft.external_ref, "a program")
    trail.record("program", "created", row, row.reference, actor, now, {"model": [None, draft.model]})
    return row


def get_program(organisation_id: int, reference: str) -> PartnerProgram:
    """A program by its number, locked. Raises NotFound."""
    return lock_row(
        PartnerProgram,
        PartnerProgram.organisation_id == organisation_id,
        PartnerProgram.reference == reference,
        # New commissions name their program, and whoever makes them holds deals that a change of the model waits for.
        key_share=True,
    )


def change_program(
    *,
    organisation_id: int,
    reference: str,
    draft: ProgramDraft,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> PartnerProgram:
    """Change a program. Another model, or other weights, count for deals that are open: their shares are worked out
    anew, by a run where they are many. What is recorded of won ones stays.

    Raises NotFound, Invalid, StaleVersion.
    """
    draft.check()
    locking.alone(organisation_id)
    row = get_program(organisation_id, reference)
    trail.check_version(row, reference, expected_version)
    changes = trail.apply(row, _values(draft))
    if changes:
        row.version += 1
        db.session.flush()
        trail.record("program", "changed", row, reference, actor, now, changes)
    if changes.keys() & {"model", "role_weights"}:
        reattributing.renew(row, actor, now)
    return row

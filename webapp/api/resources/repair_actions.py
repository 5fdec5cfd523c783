"""What is done with a repair: confirmed, held, released, cancelled, settled, planned anew by two."""

from __future__ import annotations

from webapp.api import repairs_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.resources.acts import act_of
from webapp.api.resources.amounts import minor_in
from webapp.api.resources.repair_words import repair_detail, replan_of, today_of
from webapp.api.schemas.common import Amount
from webapp.api.schemas.repairs import (
    RepairCancel,
    RepairDetail,
    RepairReason,
    RepairSeen,
    RepairSettle,
    ReplanDecide,
    ReplanOut,
    ReplanPropose,
    SettlementOut,
)
from webapp.kernel.clock import utc_now
from webapp.people.access.tokens import Scope
from webapp.programs.repairs import changing, drafting

resource = Resource(
    "repair_actions",
    "/repairs",
    title="Acts on repairs",
    about="Draft, open, on hold, closed, cancelled: what the present state does not allow answers 409 with the state.",
)
_act = {"scope": Scope.REPAIRS_WRITE, "answers": RepairDetail}


@resource.post("/<reference>/confirm", summary="Confirm a repair", body=RepairSeen, **_act)
def confirm(who: Caller, reference: str, body: RepairSeen) -> RepairDetail:
    """From now on its instalments are charged; weeks that have begun are caught up one a week."""
    drafting.confirm_repair(reference=reference, **act_of(who, body.version))
    return repair_detail(reference, who)


@resource.post("/<reference>/hold", summary="Hold a repair", body=RepairReason, **_act)
def hold(who: Caller, reference: str, body: RepairReason) -> RepairDetail:
    """Nothing more of it is charged until it is released."""
    changing.hold_repair(reference=reference, reason=body.reason, **act_of(who, body.version))
    return repair_detail(reference, who)


@resource.post("/<reference>/release", summary="Release a repair", body=RepairSeen, **_act)
def release(who: Caller, reference: str, body: RepairSeen) -> RepairDetail:
    """Go on charging: what was missed meanwhile moves to the end."""
    changing.release_repair(reference=reference, **act_of(who, body.version))
    return repair_detail(reference, who)


@resource.post("/<reference>/cancel", summary="Cancel a repair", body=RepairCancel, **_act)
def cancel(who: Caller, reference: str, body: RepairCancel) -> RepairDetail:
    """Nothing more of it is charged; `posted` says what becomes of the instalments that were."""
    changing.cancel_repair(
        reference=reference, reason=body.reason, posted=body.posted, **act_of(who, body.version)
    )
    return repair_detail(reference, who)


@resource.get("/<reference>/settlement", summary="See what settles a repair", answers=SettlementOut,
              scope=Scope.REPAIRS_READ)  # fmt: skip
def settlement(who: Caller, reference: str) -> SettlementOut:
    """All that is not paid of it today, charged or not. Nothing is changed."""
    row = repairs_queries.repair(who.viewer, reference)
    rest = changing.settlement_of(who.organisation_id, reference)
    return SettlementOut(repair=reference, amount=Amount.of(rest.amount, rest.currency), version=row.version)


@resource.post("/<reference>/settle", summary="Settle a repair", body=RepairSettle, **_act)
def settle(who: Caller, reference: str, body: RepairSettle) -> RepairDetail:
    """The driver pays all that is left: it is charged today and paid, and the repair is closed."""
    currency = repairs_queries.repair(who.viewer, reference).currency
    changing.settle_repair(
        reference=reference,
        amount_minor=minor_in(body.amount, currency, "amount"),
        method=body.method,
        received_on=body.received_on or today_of(who),
        note=body.note,
        **act_of(who, body.version),
    )
    return repair_detail(reference, who)


@resource.post("/<reference>/replans", summary="Propose another weekly amount", body=ReplanPropose, answers=ReplanOut,
               status=201, location="/repairs/{repair}", scope=Scope.REPAIRS_WRITE)  # fmt: skip
def propose_replan(who: Caller, reference: str, body: ReplanPropose) -> ReplanOut:
    """For what is not charged yet. It counts once another person accepts it; 409 while one waits already."""
    currency = repairs_queries.repair(who.viewer, reference).currency
    made = changing.propose_replan(
        organisation_id=who.organisation_id,
        reference=reference,
        weekly_minor=minor_in(body.weekly, currency, "weekly"),
        reason=body.reason,
        actor=who.actor,
        now=utc_now(),
    )
    return replan_of(made, reference, currency, who)


@resource.post("/<reference>/replans/<int:replan_id>/decide", summary="Decide about another weekly amount",
               body=ReplanDecide, **_act)  # fmt: skip
def decide_replan(who: Caller, reference: str, replan_id: int, body: ReplanDecide) -> RepairDetail:
    """Another person than who proposed it accepts or refuses it (403 otherwise). Accepted, the rest follows it."""
    row = repairs_queries.replan(who.viewer, reference, replan_id)
    changing.decide_replan(
        organisation_id=who.organisation_id,
        replan_id=row.id,
        is_accepted=body.is_accepted,
        note=body.note,
        actor=who.actor,
        now=utc_now(),
    )
    return repair_detail(reference, who)

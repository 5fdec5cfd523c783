"""Events that a CRM sends about its deals: each counts once, and an older one does not undo a newer one.

The id is claimed first, and everything that the event leads to is stored with it or not at all. An event says some
fields of a deal (its name, its amount, its state …); of two events the one that happened later is right about a field,
in whatever order they arrive. What is refused leaves nothing behind, so that the same event can be sent again later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from webapp.database import db, insert_ignoring_conflict, lock_row
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.kernel.ids import digest
from webapp.people.models import Payee, Role
from webapp.programs.partners import deals, trail
from webapp.programs.partners.drafts import DealDraft, TouchDraft
from webapp.programs.partners.models import Deal, PartnerProgram
from webapp.programs.partners.models_events import CrmEvent, EventOutcome, EventType
from webapp.programs.partners.states import DealState

STATE = "state"
#: What an event may say of a deal, as drafts have it; an amount comes with its currency.
_VALUES = ("program_id", "name", "customer", "product", "amount", "opened_at", "registered_by_id")
_ENDS = {EventType.WON, EventType.LOST, EventType.REOPENED}


@dataclass(frozen=True)
class EventDraft:
    """An event as a CRM tells it. `deal` is the CRM's own name of the deal; `values` are what the event says of it.

    Of a touch `values` are partner, type, weight, happened_at and external_ref.
    """

    event_id: str
    type: str
    occurred_at: datetime
    deal: str
    values: Mapping[str, Any] = field(default_factory=dict)
    closed_at: datetime | None = None
    reason: str = ""

    @property
    def digest(self) -> str:
        """What the event says, without its id."""
        said = {**self.values, "closed_at": self.closed_at, "reason": self.reason}
        return digest([self.type, self.occurred_at.isoformat(), self.deal, said])


def receive(*, organisation_id: int, draft: EventDraft, actor: Actor, now: datetime) -> tuple[CrmEvent, bool]:
    """Do what an event says: (its row, whether it was there already).

    Raises Invalid with the field, Conflict for an id that another event has, and what deals raise.
    """
    if draft.occurred_at > now:
        raise Invalid("occurred_at", "This instant has not come yet.", now.isoformat(timespec="seconds"))
    claim = {
        "organisation_id": organisation_id, "event_id": draft.event_id, "type": draft.type,
        "occurred_at": draft.occurred_at, "digest": draft.digest, "fields": [], "note": "",
        "outcome": EventOutcome.APPLIED.value, "received_at": now, "received_by_label": actor.label,
    }  # fmt: skip
    is_new = insert_ignoring_conflict(db.session(), CrmEvent, claim)
    row = lock_row(CrmEvent, CrmEvent.organisation_id == organisation_id, CrmEvent.event_id == draft.event_id)
    if not is_new:
        if row.digest != draft.digest:
            raise Conflict(f"The event {draft.event_id} said something else before. Nothing was done.")
        return row, True
    if draft.type == EventType.TOUCHED:
        _touch(row, draft, actor, now)
    else:
        _deal(row, draft, actor, now)
    db.session.flush()
    changes = {"type": [None, row.type], "outcome": [None, row.outcome]}
    trail.record("event", "received", row, draft.event_id, actor, now, changes)
    return row, False


def _find_deal(organisation_id: int, name: str) -> Deal | None:
    try:
        return lock_row(Deal, Deal.organisation_id == organisation_id, Deal.external_ref == name)
    except NotFound:
        return None


def _touch(row: CrmEvent, draft: EventDraft, actor: Actor, now: datetime) -> None:
    deal = _find_deal(row.organisation_id, draft.deal)
    if deal is None:
        raise Invalid("deal", f"There is no deal {draft.deal!r} yet. Send its event, then this one again.")
    partner = draft.values.get("partner")
    if not partner:
        raise Invalid("partner", "Say which partner did it.", "PY-0001")
    made = deals.add_touch(
        organisation_id=row.organisation_id,
        reference=deal.reference,
        draft=TouchDraft(
            find_partner(row.organisation_id, partner),
            draft.values.get("type") or "other",
            draft.values.get("happened_at") or draft.occurred_at,
            1 if draft.values.get("weight") is None else draft.values["weight"],
            draft.values.get("external_ref") or draft.event_id,
        ),
        actor=actor,
        now=now,
    )
    row.deal_id, row.touch_id = deal.id, made.id


def _deal(row: CrmEvent, draft: EventDraft, actor: Actor, now: datetime) -> None:
    """Make the deal or change it as the event says, but for what newer events said."""
    said = _said(row.organisation_id, draft)
    ends = EventType(draft.type) in _ENDS
    row.fields = [*said, STATE] if ends else list(said)
    deal = _find_deal(row.organisation_id, draft.deal)
    made = None if deal else _create(row, draft, said, actor, now)
    if made is not None:
        deal = made
    elif (deal := deal or _find_deal(row.organisation_id, draft.deal)) is None:
        raise Conflict(f"The deal {draft.deal!r} cannot be made right now. Send the event again.")
    else:
        said, ends = _newest(row, deal, said, ends)
        if _differs(deal, said):
            deal = _change(deal, said, draft, actor, now)
    row.deal_id = deal.id
    if ends:
        _end(deal, draft, actor, now)


def _newest(row: CrmEvent, deal: Deal, said: dict[str, Any], ends: bool) -> tuple[dict[str, Any], bool]:
    """What of an event no newer one said anew; the rest is noted with it."""
    newer = _said_later(row, deal)
    late = [name for name in row.fields if name in newer]
    if late:
        row.note = f"Newer events said anew: {', '.join(_words(name) for name in late)}."
    if row.fields and len(late) == len(row.fields):
        row.outcome = EventOutcome.SUPERSEDED.value
    row.fields = [name for name in row.fields if name not in newer]
    return {name: value for name, value in said.items() if name not in newer}, ends and STATE not in newer


def _words(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")


def _said(organisation_id: int, draft: EventDraft) -> dict[str, Any]:
    """What the event says of the deal's values, with ids for names. Raises Invalid."""
    said = {name: value for name, value in draft.values.items() if value is not None}
    if "program" in said:
        said["program_id"] = find_program(organisation_id, said.pop("program"))
    if "registered_by" in said:
        partner = said.pop("registered_by")
        said["registered_by_id"] = find_partner(organisation_id, partner, "registered_by")
    if draft.type == EventType.CREATED:
        said.setdefault("opened_at", draft.occurred_at)
    for name in said:
        if name not in _VALUES:
            raise Invalid(name, "This belongs to a touch, not to a deal.")
    return said


def _said_later(row: CrmEvent, deal: Deal) -> set[str]:
    """The fields of the deal that events said which happened after this one."""
    query = select(CrmEvent.fields).where(
        CrmEvent.deal_id == deal.id, CrmEvent.occurred_at > row.occurred_at, CrmEvent.id != row.id
    )
    return {name for fields in db.session.scalars(query) for name in fields}


def _create(
    row: CrmEvent, draft: EventDraft, said: Mapping[str, Any], actor: Actor, now: datetime
) -> Deal | None:
    """A deal that is told of for the first time, by whichever event; None where another event has just made it."""
    for name in ("name", "amount"):
        if name not in said:
            raise Invalid(name, f"There is no deal {draft.deal!r} yet, so its {name} is needed.")
    amount, currency = said["amount"]
    opened_at = said.get("opened_at") or min(draft.occurred_at, draft.closed_at or draft.occurred_at)
    made = DealDraft(
        said.get("program_id") or only_program(row.organisation_id), said["name"], currency, amount, opened_at,
        said.get("customer", ""), said.get("product", ""), said.get("registered_by_id"), draft.deal,
    )  # fmt: skip
    try:
        return deals.create_deal(organisation_id=row.organisation_id, draft=made, actor=actor, now=now)
    except Invalid as error:
        if error.field != "external_ref":
            raise
        return None


def _columns(said: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(said)
    if "amount" in values:
        values["amount_minor"], values["currency"] = values.pop("amount")
    return values


def _differs(deal: Deal, said: Mapping[str, Any]) -> bool:
    return any(getattr(deal, name) != value for name, value in _columns(said).items())


def _change(deal: Deal, said: Mapping[str, Any], draft: EventDraft, actor: Actor, now: datetime) -> Deal:
    """The deal with what the event says of it; a won deal's change has a reason, a lost one stays lost."""
    common: dict[str, Any] = {
        "organisation_id": deal.organisation_id, "reference": deal.reference, "actor": actor, "now": now,
    }  # fmt: skip
    lost = (deal.reason, deal.closed_at) if deal.state == DealState.LOST else None
    if lost is not None:
        deals.reopen_deal(**common)
    names = (
        "program_id", "name", "currency", "amount_minor", "opened_at", "customer", "product", "registered_by_id",
    )  # fmt: skip
    values = _columns(said)
    changed = deals.change_deal(
        **common,
        draft=DealDraft(**{name: values.get(name, getattr(deal, name)) for name in names}),
        reason=draft.reason or f"The CRM changed it (event {draft.event_id}).",
    )
    if lost is not None:
        # What is won or opened by the same event is so after this: each act stands in the deal's story.
        deals.lose_deal(**common, reason=lost[0], closed_at=lost[1])
    return changed


def _end(deal: Deal, draft: EventDraft, actor: Actor, now: datetime) -> None:
    """Win, lose or reopen the deal. A lost one that is won was open in between."""
    common: dict[str, Any] = {
        "organisation_id": deal.organisation_id, "reference": deal.reference, "actor": actor, "now": now,
    }  # fmt: skip
    if draft.type == EventType.LOST:
        reason = draft.reason or f"The CRM says that it is lost (event {draft.event_id})."
        deals.lose_deal(**common, reason=reason, closed_at=draft.closed_at or draft.occurred_at)
        return
    is_open = deal.state == DealState.OPEN
    if deal.state == DealState.LOST or (draft.type == EventType.REOPENED and not is_open):
        deals.reopen_deal(**common)
    if draft.type == EventType.WON:
        deals.win_deal(**common, closed_at=draft.closed_at or draft.occurred_at)


def find_partner(organisation_id: int, name: str, field: str = "partner") -> int:
    """The id of a partner by its reference or its outside name. Raises Invalid at the field."""
    found = db.session.scalars(
        select(Payee.id).where(
            Payee.organisation_id == organisation_id,
            Payee.kind == Role.PARTNER.value,
            or_(Payee.reference == name, Payee.external_ref == name),
        )
    ).all()
    if len(found) != 1:
        raise Invalid(
            field,
            "Several partners are called so; give the reference." if found else "There is no such partner.",
            "PY-0001",
        )
    return found[0]


def find_program(organisation_id: int, name: str, field: str = "program") -> int:
    """The id of a program by its reference or its outside name. Raises Invalid at the field."""
    found = db.session.scalars(
        select(PartnerProgram.id).where(
            PartnerProgram.organisation_id == organisation_id,
            or_(PartnerProgram.reference == name, PartnerProgram.external_ref == name),
        )
    ).all()
    if len(found) != 1:
        raise Invalid(field, "There is no such program.", "PP-0001")
    return found[0]


def only_program(organisation_id: int, field: str = "program") -> int:
    """The program that is meant where none is named: the only one in use. Raises Invalid where there are several."""
    found = db.session.scalars(
        select(PartnerProgram.id)
        .where(PartnerProgram.organisation_id == organisation_id, PartnerProgram.is_active)
        .limit(2)
    ).all()
    if len(found) != 1:
        words = "There are several programs; say which." if found else "There is no program yet."
        raise Invalid(field, words, "PP-0001")
    return found[0]

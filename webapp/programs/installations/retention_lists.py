"""What is held back, as a list: by technician, state and day, with its sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, case, or_, select
from sqlalchemy.orm import aliased
from wtforms import SelectField

from webapp.database import like, within
from webapp.payouts.models import Payout
from webapp.people.models import Payee
from webapp.people.queries import payees_named
from webapp.programs.installations.models import Installation
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import RetentionState
from webapp.web.fields import options
from webapp.web.filter_fields import ListFilter, part, search
from webapp.web.form_fields import day_field
from webapp.web.listing import Listing, Sort, owned

_source, _release = aliased(Payout, name="source"), aliased(Payout, name="release")
_LEFT = Retention.amount_minor - Retention.charged_minor


@dataclass(frozen=True)
class RetentionFilter:
    """What the list is narrowed to; days are those of the release, both included."""

    text: str = ""
    technician: str = ""
    state: str = ""
    day_from: date | None = None
    day_to: date | None = None


class RetentionFilterForm(ListFilter):
    """The filter of the list, read from the address."""

    q = search()
    technician = part("Technician", 200)
    state = SelectField("State", choices=options(RetentionState.choices(), "Every state"))
    day_from = day_field("Released from")
    day_to = day_field("Released to")

    def validate_day_to(self, field: Any) -> None:
        """The range does not end before it begins."""
        self.in_order("day_from", "day_to")

    def chosen(self) -> RetentionFilter:
        """The filter as the list takes it. Call `validate()` first."""
        return RetentionFilter(
            self.q.data or "", self.technician.data or "", self.state.data or "", self.day_from.data, self.day_to.data
        )  # fmt: skip


def retentions(organisation_id: int, chosen: RetentionFilter, payee_id: int | None = None) -> Listing:
    """id, installation, technician, technician_reference, payout, release_payout, currency, amount_minor,
    charged_minor, rate_bp, release_on, state, offer, offer_reason, reason, payout_state, payee_id, created_at,
    settled_at, version; `payee_id` narrows it to one technician."""
    columns: tuple[Any, ...] = (
        Retention.id, Installation.reference.label("installation"), Payee.name.label("technician"),
        Payee.reference.label("technician_reference"), _source.reference.label("payout"),
        _release.reference.label("release_payout"), Retention.currency, Retention.amount_minor,
        Retention.charged_minor, Retention.rate_bp, Retention.release_on, Retention.state, Retention.offer,
        Retention.offer_reason, Retention.reason, _source.state.label("payout_state"), Retention.payee_id,
        Retention.created_at, Retention.settled_at, Retention.version,
    )  # fmt: skip
    everything = (
        select(*columns)
        .join(Installation, Installation.id == Retention.installation_id)
        .join(Payee, Payee.id == Retention.payee_id)
        .join(_source, _source.id == Retention.payout_id)
        .outerjoin(_release, _release.id == Retention.release_payout_id)
        .where(*owned(Retention, organisation_id, payee_id))
    )  # fmt: skip
    held = case((Retention.state == RetentionState.HELD.value, _LEFT), else_=0)
    return Listing(
        query=everything.where(*_conditions(organisation_id, chosen)),
        everything=everything,
        key=Retention.id,
        orders={"created": (), "day": (Retention.release_on,), "technician": (Payee.name,),
                "amount": (Retention.amount_minor,)},
        default=Sort("created", is_descending=True),
        currency=Retention.currency,
        sums={"amount": Retention.amount_minor, "charged": Retention.charged_minor, "held": held},
    )  # fmt: skip


def _conditions(organisation_id: int, chosen: RetentionFilter) -> Iterator[ColumnElement[bool]]:
    if chosen.text:
        text = chosen.text
        yield or_(
            like(Installation.reference, text), like(_source.reference, text), like(Retention.reason, text)
        )
    if chosen.technician:
        yield Retention.payee_id.in_(payees_named(organisation_id, chosen.technician))
    if chosen.state:
        yield Retention.state == chosen.state
    yield from within(Retention.release_on, chosen.day_from, chosen.day_to)

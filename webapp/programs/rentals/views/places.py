"""Units that are renamed, switched off and on again; properties that are switched off and on."""

from __future__ import annotations

from typing import Any

from flask import g, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.people.views.session import actor, require_change
from webapp.programs.rentals import queries, switching
from webapp.programs.rentals.forms import UnitForm
from webapp.programs.rentals.models import Property
from webapp.programs.rentals.views import common
from webapp.web.form_fields import ActForm

OFF = "What was let and paid stays in the books. It is not let any more until it is switched on again."
ON = "It can be let again."


def _act(place: Property, form: Any, **more: Any) -> ResponseReturnValue:
    back = url_for(".property", reference=place.reference)
    crumbs = [(url_for(".properties"), "Properties"), (back, place.reference)]
    return common.act_page(form, back=(back, place.reference), crumbs=crumbs, **more)


def rename_unit(reference: str) -> ResponseReturnValue:
    """Give a unit another name."""
    require_change()
    unit = queries.get_unit(g.organisation.id, reference)
    form = common.form_of(UnitForm)

    def call() -> str:
        switching.rename_unit(
            organisation_id=g.organisation.id,
            reference=reference,
            name=form.name.data or "",
            actor=actor(),
            now=utc_now(),
        )
        return f"{reference} has the new name. Payouts and statements that are made already keep the old one."

    return _act(
        unit.property, form, title=f"Rename {reference}", button="Save the name", call=call,
        facts=[("Name until now", unit.name)], fill=lambda: setattr(form.name, "data", unit.name),
    )  # fmt: skip


def switch_unit(reference: str) -> ResponseReturnValue:
    """Switch a unit off or on; 409 names the lease under which it is let."""
    require_change()
    unit = queries.get_unit(g.organisation.id, reference)
    name, is_on = unit.name, not unit.is_active

    def call() -> str:
        switching.switch_unit(
            organisation_id=g.organisation.id,
            reference=reference,
            is_active=is_on,
            today=common.today(),
            actor=actor(),
            now=utc_now(),
        )
        return f"{name} is switched {'on' if is_on else 'off'}."

    return _switch(unit.property, name, is_on=is_on, call=call)


def switch_property(reference: str) -> ResponseReturnValue:
    """Switch a property off or on; 409 names the leases of its units."""
    require_change()
    place = queries.get_property(g.organisation.id, reference)
    name, is_on = place.name, not place.is_active

    def call() -> str:
        switching.switch_property(
            organisation_id=g.organisation.id,
            reference=reference,
            is_active=is_on,
            today=common.today(),
            actor=actor(),
            now=utc_now(),
        )
        return f"{name} is switched {'on' if is_on else 'off'}."

    return _switch(place, name, is_on=is_on, call=call)


def _switch(place: Property, name: str, *, is_on: bool, call: Any) -> ResponseReturnValue:
    word = "on" if is_on else "off"
    return _act(
        place, common.form_of(ActForm), title=f"Switch {name} {word}?", button=f"Switch it {word}",
        tone="primary" if is_on else "danger", explains=ON if is_on else OFF, call=call,
    )  # fmt: skip

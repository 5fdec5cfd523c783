"""Mails to every admin when payments stop by themselves, go on again, or a halt is asked to be lifted."""

from __future__ import annotations

from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.notices.compose import say_money
from webapp.notices.delivery import to_admins
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.payouts.brakes import alerts
from webapp.payouts.brakes.alerts import EVERY_RAIL, AlertKind
from webapp.payouts.brakes.models import Alert, HaltLift
from webapp.people.models import Organisation

RAILS = {
    "cashfree": "Cashfree",
    "sandbox": "the sandbox bank",
    "bank_file": "bank files",
    "manual": "by hand",
}
SETTINGS, TRANSFERS = "/admin/settings", "/admin/payouts?status=processing"


def _rail(name: str) -> str:
    return "All of them" if name == EVERY_RAIL else RAILS.get(name, name)


def _waits(alert: Alert, organisation: Organisation, desk: Desk) -> str:
    """How many and their sum, for each currency: 3 transfers, $1,234.00 and 1 transfer, 50.00 EUR."""
    said = []
    for part in alerts.waits(alert, desk.now):
        total = say_money(part.total, home_currency=organisation.currency, locale=organisation.locale)
        said.append(f"{part.count:,} {part.noun}{'' if part.count == 1 else 's'}, {total}")
    return " and ".join(said) or "Nothing"


def stopped(alert_id: int, *, desk: Desk) -> list[Email]:
    """Tell every admin why payments stand still, what waits and what to do; nobody when it is over by now.

    Raises NotFound.
    """
    alert, organisation = _alert(alert_id)
    if alert.ended_at is not None:
        return []
    kind = AlertKind(alert.kind)
    is_unknown = kind is AlertKind.UNKNOWN
    letter = Letter(
        folder="transfers_unknown" if is_unknown else "payments_stopped",
        organisation=organisation.name,
        rows=(
            ("What happened", alert.reason),
            ("" if is_unknown else "Payments", "" if is_unknown else _rail(alert.rail)),
            ("No answer yet" if is_unknown else "Waits", _waits(alert, organisation, desk)),
            ("Since", instant_text(alert.raised_at, organisation.timezone)),
        ),
        values={"title": kind.label, "to_do": kind.sentence},
        link=f"{desk.public_url}{TRANSFERS if is_unknown else SETTINGS}",
    )
    return to_admins(letter, f"{letter.folder}:{alert.id}:{_at(alert, desk)}", organisation, desk)


def _at(alert: Alert, desk: Desk) -> str:
    return f"{alerts.told_at(alert, desk.now).timestamp():.6f}"


def resumed(alert_id: int, *, desk: Desk) -> list[Email]:
    """Tell every admin that payments go on; nobody when they stand still again. Raises NotFound."""
    alert, organisation = _alert(alert_id)
    if alert.ended_at is None or alert.told_end_at is None:
        return []
    letter = Letter(
        folder="payments_resumed",
        organisation=organisation.name,
        rows=(
            ("Payments", _rail(alert.rail)),
            ("Why they stopped", alert.reason),
            ("Stopped", instant_text(alert.raised_at, organisation.timezone)),
            ("Go on since", instant_text(alert.ended_at, organisation.timezone)),
            ("Is sent now", _waits_now(alert, organisation, desk)),
        ),
        values={},
        link=f"{desk.public_url}{SETTINGS}",
    )
    key = f"payments_resumed:{alert.id}:{alert.told_end_at.timestamp():.6f}"
    return to_admins(letter, key, organisation, desk)


def _waits_now(alert: Alert, organisation: Organisation, desk: Desk) -> str:
    # What stays on hold after a restored back-up is not sent by lifting the halt.
    return "" if alert.kind == AlertKind.RESTORED else _waits(alert, organisation, desk)


def lift_asked(lift_id: int, *, desk: Desk) -> list[Email]:
    """Tell the other admins that one wants payments to flow again; who is alone is reminded. Raises NotFound."""
    row = db.session.get(HaltLift, lift_id)
    if row is None:
        raise NotFound
    if row.state != "pending":
        return []
    organisation = db.session.get_one(Organisation, row.organisation_id)
    letter = Letter(
        folder="lift_asked",
        organisation=organisation.name,
        rows=(
            ("Asked by", row.asked_by_label),
            ("Payments", _rail(row.rail)),
            ("Found and settled", row.reason),
            ("When", instant_text(row.asked_at, organisation.timezone)),
        ),
        values={"who": row.asked_by_label, "is_alone": row.is_alone},
        link=f"{desk.public_url}{SETTINGS}",
    )
    without = None if row.is_alone else row.asked_by_id
    return to_admins(letter, f"lift_asked:{row.id}", organisation, desk, without=without)


def _alert(alert_id: int) -> tuple[Alert, Organisation]:
    alert = db.session.get(Alert, alert_id)
    if alert is None:
        raise NotFound
    return alert, db.session.get_one(Organisation, alert.organisation_id)

"""Payment details that changed in the demo: one change waits for a second person, one is in its cool-off.

Both payees have an approved payout, so that people see what waits, and why.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from webapp.kernel.actor import Actor
from webapp.people import accounts
from webapp.people.changes import service

# Positions in people.TECHNICIANS: Wei Zhang, Hannah Müller.
WAITING, COOLING = 19, 20
# The account that is asked for is Kofi Mensah's, so the page has something to warn of.
_SOMEBODY_ELSES, _NEW = "400012344833", "400012344911"
_NOTE = "Called Hannah Müller on the number on file; she read out the last four digits."


def put_in(
    *, organisation_id: int, technicians: tuple[int, ...], admin: Actor, approver: Actor, now: datetime
) -> None:
    """Ask for both changes as the admin; the approver verifies one of them."""
    asked = now - timedelta(hours=6)
    for position, name, number in ((COOLING, "Hannah Müller", _NEW), (WAITING, "W Zhang", _SOMEBODY_ELSES)):
        service.ask(
            organisation_id=organisation_id,
            payee_id=technicians[position],
            destination=accounts.aba_account(
                account_number=number, routing_number="021000021", name_at_bank=name, bank_name="Harbor Bank"
            ),
            source="admin",
            actor=admin,
            now=asked,
        )
    service.verify(
        organisation_id=organisation_id,
        reference="BC-0001",
        note=_NOTE,
        actor=approver,
        now=asked + timedelta(hours=1),
    )

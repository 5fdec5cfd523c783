"""The mail to every admin when an endpoint is told nothing any more because it took nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

from webapp.database import db
from webapp.kernel.clock import instant_text
from webapp.kernel.errors import NotFound
from webapp.notices.delivery import to_admins
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.people.models import Organisation
from webapp.webhooks.models import WebhookEndpoint
from webapp.webhooks.rules import EndpointState

STOPPED = "webhook_stopped"


def stopped(endpoint_id: int, *, desk: Desk) -> list[Email]:
    """Tell every admin which endpoint was stopped, and why; nobody when it is on again. Raises NotFound."""
    row = db.session.get(WebhookEndpoint, endpoint_id)
    if row is None:
        raise NotFound
    if row.state != EndpointState.STOPPED.value or row.stopped_at is None:
        return []
    organisation = db.session.get_one(Organisation, row.organisation_id)
    since = instant_text(row.failing_since, organisation.timezone) if row.failing_since else ""
    last = instant_text(row.last_success_at, organisation.timezone) if row.last_success_at else "Never"
    letter = Letter(
        folder=STOPPED,
        organisation=organisation.name,
        rows=(
            ("Endpoint", row.name),
            # An address can hold a token in its path: the host alone leaves by mail.
            ("Address", urlsplit(row.url).netloc),
            ("Why", row.stop_reason),
            ("Fails since", since),
            ("Took something last", last),
            ("Stopped", instant_text(row.stopped_at, organisation.timezone)),
        ),
        link=f"{desk.public_url}/admin/settings/webhooks/{row.id}",
    )
    return to_admins(letter, f"{STOPPED}:{row.id}:{row.stopped_at.timestamp():.6f}", organisation, desk)

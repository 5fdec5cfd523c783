"""The one writer of endpoints: made, changed, on and off, new secrets, given up. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from webapp import secrets
from webapp.audit import service as audit
from webapp.audit.changes import apply, check_version
from webapp.database import db, lock_row
from webapp.kernel.actor import WORKER, Actor
from webapp.kernel.checks import check_length
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.ids import new_uid
from webapp.outbox import service as outbox
from webapp.people.models import Organisation
from webapp.webhooks import rules, signing
from webapp.webhooks.models import WebhookDelivery, WebhookEndpoint
from webapp.webhooks.rules import DeliveryState, EndpointState, EventType

SECRET_OF, OLD_SECRET_OF = "webhook_endpoints.secret", "webhook_endpoints.old_secret"
STOPPED_NOTICE = "notice.webhook.stopped"
# An endpoint more than anybody has use for; each one is a row of every event.
MOST = 20


def create(
    *,
    organisation_id: int,
    url: str,
    name: str,
    events: Collection[str],
    is_trial: bool,
    actor: Actor,
    now: datetime,
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint that is on, and its secret in the clear, this once.

    Raises Invalid, and Conflict when there are MOST already.
    """
    values = _checked(url, name, events, is_trial)
    # Two who make the last one at once are told apart by the organisation's row.
    lock_row(Organisation, Organisation.id == organisation_id, key_share=True)
    there = db.session.scalar(
        select(func.count())
        .select_from(WebhookEndpoint)
        .where(
            WebhookEndpoint.organisation_id == organisation_id,
            WebhookEndpoint.state != EndpointState.REMOVED.value,
        )
    )
    if int(there or 0) >= MOST:
        raise Conflict(f"There are {MOST} endpoints already. Remove one that nobody needs.")
    uid, secret = new_uid(), signing.new_secret()
    row = WebhookEndpoint(
        uid=uid,
        organisation_id=organisation_id,
        state=EndpointState.ON.value,
        secret_encrypted=_sealed(SECRET_OF, uid, secret),
        failures=0,
        version=1,
        created_by_id=actor.user_id,
        created_at=now,
        changed_at=now,
        **values,
    )
    db.session.add(row)
    db.session.flush()
    _trail(row, "added", actor, now, {"url": [None, row.url], "events": [None, row.events]})
    return row, secret


def _checked(url: str, name: str, events: Collection[str], is_trial: bool) -> dict[str, Any]:
    wanted = [event.value for event in EventType if event.value in set(events)]
    if unknown := set(events) - set(wanted):
        said = f"{sorted(unknown)[0][:60]} is no event."
        raise Invalid("events", said, EventType.PAID.value)
    if not wanted:
        raise Invalid("events", "Choose at least one event.", EventType.PAID.value)
    check_length("name", name, 120)
    return {"url": rules.check_url(url, is_trial=is_trial), "name": name.strip(), "events": wanted}


def change(
    *,
    organisation_id: int,
    endpoint_id: int,
    url: str,
    name: str,
    events: Collection[str],
    is_trial: bool,
    actor: Actor,
    now: datetime,
    expected_version: int | None,
) -> WebhookEndpoint:
    """Another address, name or choice of events; what waits already goes to the new address.

    Raises NotFound, StaleVersion, Invalid.
    """
    row = lock(organisation_id, endpoint_id)
    check_version(row, "This endpoint", expected_version)
    if changes := apply(row, _checked(url, name, events, is_trial)):
        # The new address has had no chance to answer yet.
        row.quiet_until = None
        _changed(row, now)
        _trail(row, "changed", actor, now, changes)
    return row


def switch(
    *,
    organisation_id: int,
    endpoint_id: int,
    is_on: bool,
    actor: Actor,
    now: datetime,
) -> WebhookEndpoint:
    """Switch an endpoint on or off. What waits when it goes off does not leave. Switched already: nothing changes.

    Raises NotFound.
    """
    row = lock(organisation_id, endpoint_id)
    state = EndpointState.ON if is_on else EndpointState.OFF
    if row.state == state.value:
        return row
    before, row.state = row.state, state.value
    row.failures, row.failing_since, row.stopped_at, row.stop_reason = 0, None, None, ""
    row.quiet_until = None
    _changed(row, now)
    if not is_on:
        _drop_waiting(row)
    _trail(row, "switched_on" if is_on else "switched_off", actor, now, {"state": [before, row.state]})
    return row


def remove(*, organisation_id: int, endpoint_id: int, actor: Actor, now: datetime) -> WebhookEndpoint:
    """Tell an endpoint nothing any more; what it was told stays in the list. Raises NotFound."""
    row = lock(organisation_id, endpoint_id)
    before, row.state = row.state, EndpointState.REMOVED.value
    row.old_secret_encrypted = row.old_secret_until = None
    _changed(row, now)
    _drop_waiting(row)
    _trail(row, "removed", actor, now, {"state": [before, row.state]})
    return row


def rotate(
    *, organisation_id: int, endpoint_id: int, actor: Actor, now: datetime, expected_version: int | None
) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown this once; the one from before signs too for a day. Raises NotFound, StaleVersion."""
    row = lock(organisation_id, endpoint_id)
    check_version(row, "This endpoint", expected_version)
    (current,) = keys_of(row, now)[:1]
    secret = signing.new_secret()
    row.old_secret_encrypted = _sealed(OLD_SECRET_OF, row.uid, current)
    row.old_secret_until = now + rules.OVERLAP
    row.secret_encrypted = _sealed(SECRET_OF, row.uid, secret)
    _changed(row, now)
    _trail(row, "secret_changed", actor, now)
    return row, secret


def keys_of(row: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now, the newest first. Raises SecretsError."""
    keys = [_opened(SECRET_OF, row.uid, row.secret_encrypted)]
    if row.old_secret_encrypted and row.old_secret_until and row.old_secret_until > now:
        keys.append(_opened(OLD_SECRET_OF, row.uid, row.old_secret_encrypted))
    return tuple(keys)


def _sealed(column: str, uid: str, secret: str) -> str:
    return secrets.key_ring().encrypt({"secret": secret}, secrets.binding(column, uid))


def _opened(column: str, uid: str, envelope: str) -> str:
    return secrets.key_ring().decrypt(envelope, secrets.binding(column, uid)).reveal()["secret"]


def stop_if_given_up(row: WebhookEndpoint, now: datetime) -> None:
    """Stop an endpoint that has taken nothing for days."""
    if rules.is_given_up(row.failing_since, row.failures, now):
        stop(row, f"It took nothing for three days, at {row.failures:,} tries.", now)


def stop(row: WebhookEndpoint, reason: str, now: datetime) -> None:
    """Send an endpoint nothing any more, and have the admins told; one that is not on stays as it is."""
    if row.state != EndpointState.ON.value:
        return
    row.state, row.stopped_at, row.stop_reason = EndpointState.STOPPED.value, now, reason
    _changed(row, now)
    db.session.flush()
    _drop_waiting(row)
    _trail(row, "stopped", WORKER, now, {"state": ["on", row.state]}, note=reason)
    outbox.ask_mail(
        kind=STOPPED_NOTICE, reference_id=row.id, now=now, organisation_id=row.organisation_id,
        part=f":{row.version}",
    )  # fmt: skip


def _drop_waiting(row: WebhookEndpoint) -> None:
    # Those that are being called just now are settled by whoever calls.
    db.session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id == row.id,
            WebhookDelivery.state == DeliveryState.WAITING.value,
            WebhookDelivery.lease_until.is_(None),
        )
        .values(state=DeliveryState.DROPPED.value, next_at=None)
        .execution_options(synchronize_session="fetch")
    )


def lock(organisation_id: int, endpoint_id: int) -> WebhookEndpoint:
    """The endpoint's row, locked; not one that was removed. Raises NotFound."""
    return lock_row(
        WebhookEndpoint,
        WebhookEndpoint.organisation_id == organisation_id,
        WebhookEndpoint.id == endpoint_id,
        WebhookEndpoint.state != EndpointState.REMOVED.value,
    )


def _changed(row: WebhookEndpoint, now: datetime) -> None:
    row.version += 1
    row.changed_at = now


def _trail(
    row: WebhookEndpoint,
    action: str,
    actor: Actor,
    now: datetime,
    changes: dict[str, Any] | None = None,
    note: str = "",
) -> None:
    audit.record(
        tag=f"webhooks:endpoint:{action}",
        actor=actor,
        now=now,
        organisation_id=row.organisation_id,
        subject_type="webhook_endpoint",
        subject_id=row.id,
        subject_label=row.name or row.url,
        changes=changes,
        note=note,
    )

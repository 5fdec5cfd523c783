"""Where providers send their messages: no session and no form's token, a signature over what arrived is the proof.

Answered as soon as the message is stored; what it is about is asked for afterwards, by a worker.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from webapp.connections import queries as connections
from webapp.connections.queries import Receiver
from webapp.database import db, transaction
from webapp.inbox import proving, service
from webapp.kernel.clock import utc_now
from webapp.secrets import SecretsError
from webapp.web import errors
from webapp.web.guards import public, reads_raw_body

log = structlog.get_logger()
blueprint = Blueprint("hooks", __name__)
PATH = "/hooks/"


def _say(code: int, text: str) -> Response:
    return Response(f"{text}\n", code, mimetype="text/plain")


def _refuse(code: int, reason: str, text: str, provider: str, uid: str = "") -> Response:
    """One line of the log for each refusal; nothing of the message is in it."""
    log.warning("webhook.refused", reason=reason, provider=provider, account=uid, status=code)
    return _say(code, text)


@blueprint.post("/hooks/<provider>/<uid>")
@public
@reads_raw_body
def receive(provider: str, uid: str) -> ResponseReturnValue:
    """Store a message once. 200 when it is stored, now or before; 401 with a wrong signature, 404 at no account."""
    try:
        account = connections.find_receiver(provider, uid)
    except SecretsError:
        log.error("webhook.keys_unreadable", provider=provider, account=uid)
        return _say(503, "The keys of this account cannot be read.")
    finally:
        db.session.rollback()
    if account is None:
        return _refuse(404, "no such account", "There is nothing at this address.", "unknown")
    try:
        request.max_content_length = proving.LARGEST_BYTES
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _refuse(413, "too large", "A message has up to 256 KB.", provider, uid)
    return _keep(account, body, uid)


def _keep(account: Receiver, body: bytes, uid: str) -> Response:
    headers, now = {name.lower(): value for name, value in request.headers.items()}, utc_now()
    proof = proving.prove(account.provider, account.values, body, headers, now)
    if not proof.is_genuine:
        return _refuse(401, "wrong signature", "The signature is wrong.", account.provider, uid)
    with transaction():
        if proof.is_recent:
            service.receive(account, body, headers, now)
            return _say(200, "Received.")
        is_known = service.count_repeat(account, body, now)
    if not is_known:
        return _refuse(401, "old signature", "The signature is too old.", account.provider, uid)
    return _say(200, "Received.")


def _render(code: int, message: str, error: Exception) -> Response:
    """What goes wrong at these addresses is said in a line, not in a page."""
    return _say(code, message)


errors.renderers[PATH] = _render

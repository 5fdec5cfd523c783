"""Reading a proof out of a form, within the limits on tries."""

from __future__ import annotations

from flask import abort, current_app, request

from webapp.config import Settings
from webapp.people import throttle
from webapp.people.access.passkeys import Site, site_of
from webapp.people.proving import Proof

# The fields of a proof begin with "proof_": they are never kept, sealed or sent on.
PREFIX = "proof_"
LONGEST = 20_000


def site() -> Site:
    """The address that passkeys of this installation belong to."""
    settings: Settings = current_app.config["SETTINGS"]
    return site_of(settings.public_url)


def sent_proof() -> Proof:
    """What the form brings: a password, a code or a passkey's answer."""
    fields = {name: request.form.get(PREFIX + name, "")[:LONGEST] for name in ("password", "code", "passkey")}
    return Proof(**fields)


def is_empty(proof: Proof) -> bool:
    """Whether nothing was filled in: that costs no try."""
    return not (proof.password or proof.code.strip() or proof.passkey)


def require_tries(user_id: int) -> None:
    """429 for somebody who was wrong too often. Raises RedisError when the counts are away: nobody gets in."""
    if not throttle.may_try(user_id):
        abort(429)

"""Payment details between the check step and saving: sealed, so that pages never carry a clear number."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta

from webapp.people.accounts import Destination
from webapp.secrets import SecretsError, key_ring

VALID_FOR = timedelta(minutes=15)


def _binding(payee_id: int, session_id: int) -> str:
    return f"payout_methods.draft.{payee_id}.{session_id}"


def seal_draft(destination: Destination, *, payee_id: int, session_id: int, now: datetime) -> str:
    """A checked destination as text for a hidden field; only this session can use it, for this payee."""
    values = {"destination": json.dumps(asdict(destination)), "at": now.isoformat()}
    return key_ring().encrypt(values, _binding(payee_id, session_id))


def open_draft(draft: str, *, payee_id: int, session_id: int, now: datetime) -> Destination | None:
    """The destination of a draft; None when it is damaged, too old, or of another session or payee."""
    try:
        values = key_ring().decrypt(draft, _binding(payee_id, session_id)).reveal()
    except SecretsError:
        return None
    age = now - datetime.fromisoformat(values["at"])
    if not timedelta(0) <= age <= VALID_FOR:
        return None
    return Destination(**json.loads(values["destination"]))

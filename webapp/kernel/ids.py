"""Random identifiers and digests."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

# No 0/O, 1/I: these ids are read aloud to banks.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_transfer_id() -> str:
    """A random transfer id, 26 letters and digits, minted once per transfer and never re-used."""
    return "PD" + "".join(secrets.choice(ALPHABET) for _ in range(24))


def new_token() -> str:
    """A random URL-safe secret of 256 bits."""
    return secrets.token_urlsafe(32)


def new_uid() -> str:
    """A random identifier of 128 bits, as 32 hexadecimal digits."""
    return secrets.token_hex(16)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same content always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def token_hash(token: str) -> str:
    """What the database keeps of a secret token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()

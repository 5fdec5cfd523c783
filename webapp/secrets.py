"""Encryption of bank details (AES-256-GCM, bound to their row) and the blind index over accounts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

from webapp.config import Settings, field_key_ring

VERSION = "v1"
NONCE_BYTES = 12


class SecretsError(Exception):
    """An encrypted value cannot be read: key unknown, text damaged, or moved to another row."""


class Secret:
    """Decrypted details. Printing, logging or formatting one shows nothing; `reveal` is a deliberate act."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be stored or sent")

    def reveal(self) -> dict[str, str]:
        """The clear values, for the one place that sends them to the bank."""
        return dict(self._values)


@dataclass(frozen=True)
class KeyRing:
    """Field keys by id: the first one writes, all of them read; and the key of the blind index."""

    keys: Sequence[tuple[str, bytes]] = field(repr=False)
    index_key: bytes = field(repr=False)

    def encrypt(self, values: Mapping[str, str], binding: str) -> str:
        """Seal values: "v1.<key id>.<nonce>.<ciphertext>"; `binding` names the row they belong to."""
        key_id, key = self.keys[0]
        nonce = os.urandom(NONCE_BYTES)
        clear = json.dumps(dict(values), sort_keys=True, ensure_ascii=False).encode()
        sealed = AESGCM(key).encrypt(nonce, clear, binding.encode())
        return ".".join((VERSION, key_id, _encode(nonce), _encode(sealed)))

    def decrypt(self, envelope: str, binding: str) -> Secret:
        """Open an envelope. Raises SecretsError when it is not ours, damaged, or of another row."""
        version, _, rest = envelope.partition(".")
        parts = rest.split(".")
        if version != VERSION or len(parts) != 3:
            raise SecretsError("The encrypted details are not in a known form.")
        key = dict(self.keys).get(parts[0])
        if key is None:
            raise SecretsError(
                f"PAYDESK_FIELD_KEYS has no key {parts[0]!r}; add it back to read old details."
            )
        try:
            clear = AESGCM(key).decrypt(_decode(parts[1]), _decode(parts[2]), binding.encode())
        except (InvalidTag, ValueError) as error:
            raise SecretsError("The encrypted details are damaged or belong to another record.") from error
        return Secret(json.loads(clear))

    def blind_index(self, identity: str) -> str:
        """Keyed hash of an account's identity: equal accounts, equal hashes; useless without the key."""
        return hmac.new(self.index_key, identity.encode(), hashlib.sha256).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(raw) != text:
        raise ValueError("not the one way to write these bytes")
    return raw


def binding_of(uid: str) -> str:
    """What the details of one payout method are bound to."""
    return f"payout_methods.details.{uid}"


def binding(column: str, uid: str) -> str:
    """What an envelope of another column is bound to; `column` is "table.column" without its ending."""
    return f"{column}.{uid}"


def key_ring_of(settings: Settings) -> KeyRing:
    """The keys that the settings name."""
    return KeyRing(field_key_ring(settings.field_keys), settings.index_key.encode())


def key_ring() -> KeyRing:
    """The keys of the running application."""
    ring = current_app.extensions.get("paydesk_key_ring")
    if ring is None:
        ring = current_app.extensions["paydesk_key_ring"] = key_ring_of(current_app.config["SETTINGS"])
    assert isinstance(ring, KeyRing)  # noqa: S101 - tells the type checker what the dictionary holds
    return ring

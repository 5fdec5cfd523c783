"""A security key in software (P-256): answers the challenges of WebAuthn as a browser with a key would."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40


def encode(raw: bytes) -> str:
    """Base64 as WebAuthn writes it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    size, code = (1, 24) if value < 1 << 8 else (2, 25)
    return bytes([major << 5 | code]) + value.to_bytes(size, "big")


def cbor(value: Any) -> bytes:
    """The few kinds of CBOR that an authenticator sends."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


@dataclass
class Authenticator:
    """One key of one person. `is_verifying` off: it never asks for a fingerprint or PIN."""

    origin: str = "http://localhost:8000"
    is_verifying: bool = True
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def _data(self, rp_id: str, extra: bytes = b"") -> bytes:
        self.count += 1
        flags = PRESENT | (VERIFIED if self.is_verifying else 0) | (HAS_KEY if extra else 0)
        rp_hash = hashlib.sha256(rp_id.encode()).digest()
        return rp_hash + bytes([flags]) + self.count.to_bytes(4, "big") + extra

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response: dict[str, bytes]) -> str:
        identity = encode(self.credential_id)
        return json.dumps(
            {
                "id": identity,
                "rawId": identity,
                "type": "public-key",
                "response": {name: encode(raw) for name, raw in response.items()},
                "clientExtensionResults": {},
            }
        )

    def create(self, options: dict[str, Any]) -> str:
        """The answer to the options of a registration."""
        point = self.key.public_key().public_numbers()
        public = cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public
        data = self._data(options["rp"]["id"], attested)
        return self._answer(
            {
                "clientDataJSON": self._client_data("webauthn.create", options["challenge"]),
                "attestationObject": cbor({"fmt": "none", "attStmt": {}, "authData": data}),
            }
        )

    def get(self, options: dict[str, Any]) -> str:
        """The answer to the options of an authentication."""
        data = self._data(options["rpId"])
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = data + hashlib.sha256(client_data).digest()
        return self._answer(
            {
                "clientDataJSON": client_data,
                "authenticatorData": data,
                "signature": self.key.sign(signed, ec.ECDSA(hashes.SHA256())),
            }
        )

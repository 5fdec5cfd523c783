"""Files with account numbers at rest: sealed under a key of their own, which the installation's field keys seal.

A rotation of the field keys moves the small keys only; the bytes in the storage stay as they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from webapp import secrets
from webapp.kernel.errors import Unavailable
from webapp.kernel.ids import new_uid
from webapp.providers import storage

_NONCE = 12
FILES, RETURNS = "bank_files", "bank_returns"
file_key_binding = partial(secrets.binding, f"{FILES}.data_key")
return_key_binding = partial(secrets.binding, f"{RETURNS}.data_key")


@dataclass(frozen=True)
class Sealed:
    """Bytes that may lie anywhere, and the sealed key that goes into the row."""

    blob: bytes = field(repr=False)
    data_key_encrypted: str = field(repr=False)


def _binding(table: str, uid: str) -> str:
    return secrets.binding(f"{table}.data_key", uid)


def seal(table: str, uid: str, data: bytes) -> Sealed:
    """Encrypt a file for the row of `uid`."""
    key, nonce = AESGCM.generate_key(bit_length=256), os.urandom(_NONCE)
    blob = nonce + AESGCM(key).encrypt(nonce, data, _binding(table, uid).encode())
    return Sealed(blob, secrets.key_ring().encrypt({"key": key.hex()}, _binding(table, uid)))


def unseal(table: str, uid: str, blob: bytes, data_key_encrypted: str) -> bytes:
    """The file's bytes. Raises Unavailable when they were damaged or belong to another row."""
    try:
        key = bytes.fromhex(
            secrets.key_ring().decrypt(data_key_encrypted, _binding(table, uid)).reveal()["key"]
        )
        return AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], _binding(table, uid).encode())
    except (InvalidTag, ValueError, secrets.SecretsError) as error:
        raise Unavailable(
            "The stored file is damaged, or its key is missing. Nothing was given out."
        ) from error


def put(table: str, uid: str, data: bytes) -> tuple[str, Sealed]:
    """Seal and store a file; answers where. Called outside a transaction. Raises Unavailable."""
    sealed = seal(table, uid, data)
    # A place of its own every time: what lies there is never overwritten.
    key = f"{table.replace('_', '-')}/{new_uid()}"
    storage.save(key, sealed.blob)
    return key, sealed


def get(table: str, uid: str, storage_key: str, data_key_encrypted: str) -> bytes:
    """Read and open a stored file. Called outside a transaction. Raises NotFound, Unavailable."""
    return unseal(table, uid, storage.read(storage_key), data_key_encrypted)

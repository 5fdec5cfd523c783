"""The key pair of an account that has no fixed IP address: callers seal id and time with its public half."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from webapp.simulator.core import CannotAct, Simulator


def give_key(sim: Simulator, provider: str, client_id: str) -> str:
    """Make an account's key pair, from when on its calls must be sealed. Returns the public half as PEM."""
    client = sim.client(provider, client_id)
    if client is None:
        raise CannotAct(f"There is no client {client_id} at {provider}.")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    sim.store.write(
        "UPDATE clients SET data = ? WHERE provider = ? AND client_id = ?",
        (json.dumps({**client.data, "private_key": private.decode()}), provider, client_id),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


def opened(private_key: str, sealed: str) -> str:
    """What a caller sealed. Raises ValueError for what this key does not open."""
    key = serialization.load_pem_private_key(private_key.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - made above
    sha1 = hashes.SHA1()  # noqa: S303 - as Cashfree prescribes
    content = key.decrypt(
        base64.b64decode(sealed, validate=True), padding.OAEP(padding.MGF1(sha1), sha1, None)
    )
    return content.decode()

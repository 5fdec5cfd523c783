"""Passwords: the rules for new ones, Argon2id hashes, and a comparison that takes the same time for everybody."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from webapp.kernel.errors import Invalid

MINIMUM = 12
MAXIMUM = 200
EXAMPLE = "four words that you remember"
# Known to everybody who reads the documentation: for demo accounts only.
DEMO_PASSWORD = "paydesk-demo"  # noqa: S105
_hasher = PasswordHasher()


@cache
def _common() -> frozenset[str]:
    path = Path(__file__).with_name("common_passwords.txt")
    return frozenset(line for line in path.read_text().splitlines() if line and not line.startswith("#"))


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash("the password of nobody at all")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def check(password: str, *, email: str, is_demo: bool = False) -> None:
    """Refuse a new password that is short, the e-mail address, or known to be common. Raises Invalid."""
    plain = _normal(password).casefold()
    if len(_normal(password)) < MINIMUM:
        raise Invalid("password", f"Use at least {MINIMUM} characters.", EXAMPLE)
    if len(password) > MAXIMUM:
        raise Invalid("password", f"Use at most {MAXIMUM} characters.", EXAMPLE)
    if plain in (email.casefold(), email.casefold().partition("@")[0]):
        raise Invalid("password", "The password must not be the e-mail address.", EXAMPLE)
    if len(set(plain)) < 5 or plain in _common() or (plain == DEMO_PASSWORD and not is_demo):
        raise Invalid("password", "This password is easy to guess. Choose another one.", EXAMPLE)


def hash_of(password: str) -> str:
    """The Argon2id hash to keep."""
    return _hasher.hash(_normal(password))


def verify(password: str, stored: str | None) -> bool:
    """Whether the password fits. Without a stored hash it does the same work and says no."""
    try:
        _hasher.verify(stored or _hash_of_nobody(), _normal(password[:MAXIMUM]))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with weaker settings than today's."""
    return _hasher.check_needs_rehash(stored)

"""Passwords: the rules for new ones, Argon2id hashes, and a comparison that takes the same time for everybody."""

from __future__ import annotations

import re
import string
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


# Signs that people write for letters. "1" may stand for i or l, so both are tried.
_LEET = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "+": "t"}
_READINGS = tuple(str.maketrans({**_LEET, "1": letter}) for letter in "il")
# So many signs before and behind a common password do not make it a good one ("!!Password2026").
_DECORATION = 6
_NOT_LETTERS = string.digits + string.punctuation + string.whitespace
_SEPARATORS = re.compile(r"[\s._-]+")


@cache
def _common() -> frozenset[str]:
    path = Path(__file__).with_name("common_passwords.txt")
    return frozenset(line for line in path.read_text().splitlines() if line and not line.startswith("#"))


def _unit(text: str) -> str:
    """What a text repeats: "abc" for "abcabc", the text itself when it repeats nothing."""
    at = (text + text).find(text, 1)
    return text[:at]


def _cores(plain: str) -> set[str]:
    """The text, and what is left without the digits and signs around it, as it is and with signs read as letters."""
    found: set[str] = set()
    for text in {plain, _SEPARATORS.sub("", plain)}:
        before = min(len(text) - len(text.lstrip(_NOT_LETTERS)), _DECORATION)
        behind = min(len(text) - len(text.rstrip(_NOT_LETTERS)), _DECORATION)
        for first in range(before + 1):
            for last in range(min(behind, _DECORATION - first) + 1):
                core = text[first : len(text) - last]
                found |= {_unit(reading) for reading in (core, *(core.translate(t) for t in _READINGS))}
    return found


def _is_easy(plain: str, own: set[str]) -> bool:
    """Whether a password is common, one of the person's own words, or a simple variation of such."""
    cores = _cores(plain)
    return len(set(plain)) < 5 or not cores.isdisjoint(_common()) or not cores.isdisjoint(own)


def _own_words(email: str, name: str) -> set[str]:
    """The person's own words in small letters: address, its parts, names, and names run together."""
    local, _, host = email.casefold().partition("@")
    names = _normal(name).casefold().split()
    words = {email.casefold(), local, _SEPARATORS.sub("", local), host, host.partition(".")[0], *names}
    words |= {"".join(names), "".join(reversed(names))}
    return {word for word in words if len(word) > 3}


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash("the password of nobody at all")


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def check(password: str, *, email: str, name: str = "", is_demo: bool = False) -> None:
    """Refuse a new password that is short, the person's own address or name, or easy to guess. Raises Invalid."""
    plain = _normal(password).casefold()
    if len(_normal(password)) < MINIMUM:
        raise Invalid("password", f"Use at least {MINIMUM} characters.", EXAMPLE)
    if len(password) > MAXIMUM:
        raise Invalid("password", f"Use at most {MAXIMUM} characters.", EXAMPLE)
    if plain in (email.casefold(), email.casefold().partition("@")[0]):
        raise Invalid("password", "The password must not be the e-mail address.", EXAMPLE)
    if plain == DEMO_PASSWORD and is_demo:
        return
    if plain == DEMO_PASSWORD or _is_easy(plain, _own_words(email, name)):
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

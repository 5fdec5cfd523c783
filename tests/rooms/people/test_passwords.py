"""Which passwords are refused, in which disguises, and that good ones are not."""

from __future__ import annotations

import pytest

from webapp.kernel.errors import Invalid
from webapp.people import passwords

MAYA = {"email": "maya.f@solaria.example", "name": "Maya Fernandez"}


@pytest.mark.parametrize(
    "password",
    [
        "Password1234", "PASSWORD!!!!", "P@ssw0rd2024!!", "p4$$w0rd99999", "!!Password26", "pass-word-2026",
        "monkeymonkey", "DragonDragon", "dragon123456", "Sunshine-2026", "letmein letmein", "1l0v3y0u2024",
        "qwertyuiop123", "123456789012", "abcabcabcabc", "aaaaaaaaaaaa", "correct horse battery staple",
        "paydesk-demo", "ｐａｓｓｗｏｒｄ１２３４",
    ],
)  # fmt: skip
def test_easy_passwords_are_refused_in_every_disguise(password: str) -> None:
    with pytest.raises(Invalid, match="easy to guess"):
        passwords.check(password, **MAYA)


@pytest.mark.parametrize(
    "password",
    ["Maya Fernandez", "mayafernandez1", "Fernandez2024!", "FernandezMaya", "M4yaFernand3z", "maya.f@solaria.example",
     "solaria123456"],
)  # fmt: skip
def test_nobody_uses_their_own_name_or_address(password: str) -> None:
    with pytest.raises(Invalid):
        passwords.check(password, **MAYA)


@pytest.mark.parametrize(
    "password",
    ["a quiet harbour in the north", "four words that you remember", "x7!kd9#Lq2pz", "Fernandez ate 11 figs",
     "मेरा लंबा पासवर्ड है", "tr0ub4dor&3xyz", "password of nobody at all"],
)  # fmt: skip
def test_good_passwords_are_not(password: str) -> None:
    passwords.check(password, **MAYA)


@pytest.mark.parametrize("password", ["", "short", "eleven char", "x" * 201])
def test_length_is_checked(password: str) -> None:
    with pytest.raises(Invalid, match="characters"):
        passwords.check(password, **MAYA)


def test_the_list_is_long_and_in_the_form_that_is_compared() -> None:
    words = passwords._common()
    assert len(words) > 25_000
    assert all(word == word.lower() and len(word) > 3 for word in words)
    assert not any(word.startswith("#") or "Copyright" in word for word in words)

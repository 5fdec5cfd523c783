"""Verification codes: what a person reads from a paper, and the picture that a telephone reads. Pure."""

from __future__ import annotations

import base64
import io
import secrets
from functools import lru_cache

import segno

from webapp.kernel.ids import ALPHABET

# Twenty of 32 signs: five bits each, a hundred in all.
GROUPS, GROUP = 5, 4


def new_code() -> str:
    """A random code of 100 bits in groups that can be read aloud: "7KQ2-M9XA-…"."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


def normalise(text: str) -> str | None:
    """The code as it is stored, however it was typed (small letters, blanks, other dashes); None for no code."""
    signs = [sign for sign in text.upper() if sign.isalnum()] if len(text) <= 100 else []
    if len(signs) != GROUPS * GROUP or any(sign not in ALPHABET for sign in signs):
        return None
    return "-".join("".join(signs[n : n + GROUP]) for n in range(0, GROUPS * GROUP, GROUP))


def address(public_url: str, code: str) -> str:
    """Where the document can be checked; empty without a code."""
    return f"{public_url}/v/{code}" if code else ""


@lru_cache(maxsize=8)
def picture(url: str) -> str:
    """A QR code as data: address of an SVG picture; the same address always gives the same picture."""
    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", border=0, xmldecl=False, omitsize=True)
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()

"""Rows that a person ticked on other pages of a list: kept in the address, so that Back, reload and no script work.

The keys are sorted, and their differences written in as few characters as they need: a full selection fits in an
address of 4,000 characters. A key says nothing about whose record it is; who acts on it asks that.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from flask import request

from webapp.kernel.errors import Invalid

#: How many rows can be ticked over several pages of a list. More than this is chosen by a filter.
MAXIMUM = 500
PARAMETER, FIELD = "chosen", "elsewhere"
UNREADABLE = "The selection cannot be read. Tick the rows again."
_LARGEST = 2**63 - 1
_LONGEST_TEXT = 4_000


def written(keys: Iterable[int]) -> str:
    """The keys as a short text for an address; empty for none."""
    out, last = bytearray(), 0
    for key in sorted(set(keys)):
        rest, last = key - last, key
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return base64.urlsafe_b64encode(bytes(out)).decode().rstrip("=")


def read(text: str) -> list[int]:
    """The keys of a text that `written` made, in order. Raises Invalid for any other text."""
    if len(text) > _LONGEST_TEXT:
        raise Invalid(FIELD, UNREADABLE)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(FIELD, UNREADABLE) from error
    keys, last, part, shift = [], 0, 0, 0
    for byte in raw:
        part |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            continue
        last += part
        keys.append(last)
        part = shift = 0
    if shift or last > _LARGEST or len(keys) > MAXIMUM or 0 in keys or len(set(keys)) < len(keys):
        raise Invalid(FIELD, UNREADABLE)
    return keys


def of_address() -> set[int]:
    """What was ticked on the pages before; nothing where the address says nothing that can be read."""
    try:
        return set(read(request.args.get(PARAMETER, "")))
    except Invalid:
        return set()


def of_form() -> set[int]:
    """What was ticked on this page and on others. Raises Invalid when that cannot be read."""
    here = set(request.form.getlist("ids", type=int))
    return {key for key in here if 0 < key <= _LARGEST} | set(read(request.form.get(FIELD, "")))

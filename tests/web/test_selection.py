"""Ticked rows in an address: what was written is read, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.errors import Invalid
from webapp.web import selection

KEYS = st.sets(st.integers(1, 2**63 - 1), max_size=selection.MAXIMUM)


@given(KEYS)
def test_what_was_written_is_read(keys: set[int]) -> None:
    assert selection.read(selection.written(keys)) == sorted(keys)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    try:
        keys = selection.read(text)
    except Invalid:
        return
    assert len(set(keys)) == len(keys) <= selection.MAXIMUM
    assert all(0 < key < 2**63 for key in keys)


def test_a_full_selection_of_a_large_installation_fits_in_an_address() -> None:
    keys = range(1, 100_000_000_000, 100_000_000_000 // selection.MAXIMUM + 1)
    assert len(selection.written(keys)) <= 3_600


@pytest.mark.parametrize("keys", [[5, 5], [0, 3], list(range(1, 502)), [2**63]])
def test_what_cannot_be_ticked_is_refused(keys: list[int]) -> None:
    out = bytearray()
    last = 0
    for key in keys:
        rest, last = key - last, key
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    import base64

    with pytest.raises(Invalid):
        selection.read(base64.urlsafe_b64encode(bytes(out)).decode().rstrip("="))

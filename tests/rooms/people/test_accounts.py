"""Account numbers, branch codes, UPI addresses and names: what is accepted, what is said, what is shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.errors import Invalid
from webapp.people import accounts

NUMBERS = st.text(string.ascii_uppercase + string.digits, min_size=4, max_size=25)


@pytest.mark.parametrize(
    ("check", "typed", "kept"),
    [
        (accounts.check_account_number, " 0001-2345 6789 ", "000123456789"),
        (accounts.check_account_number, "ab12", "AB12"),
        (accounts.check_account_number, "1" * 25, "1" * 25),
        (accounts.check_ifsc, "hdfc 0001234", "HDFC0001234"),
        (accounts.check_ifsc, "SBIN0ABC123", "SBIN0ABC123"),
        (accounts.check_iban, "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        (accounts.check_iban, "GB29NWBK60161331926819", "GB29NWBK60161331926819"),
        (accounts.check_iban, "AE07 0331 2345 6789 0123 456", "AE070331234567890123456"),
        (accounts.check_routing_number, "0210-0002-1", "021000021"),
        (accounts.check_routing_number, "111000025", "111000025"),
        (accounts.check_vpa, " Ravi.K@OKbank ", "ravi.k@okbank"),
        (accounts.check_vpa, "98-76_5@ybl", "98-76_5@ybl"),
        (accounts.check_name_at_bank, "  José   O’Neill-Núñez (2) ", "José O’Neill-Núñez (2)"),
    ],
)
def test_what_people_type_is_read(check: object, typed: str, kept: str) -> None:
    assert check(typed) == kept  # type: ignore[operator]


@pytest.mark.parametrize(
    ("check", "typed", "field"),
    [
        (accounts.check_account_number, "", "account_number"),
        (accounts.check_account_number, "123", "account_number"),
        (accounts.check_account_number, "1" * 26, "account_number"),
        (accounts.check_account_number, "1234/5678", "account_number"),
        (accounts.check_account_number, "١٢٣٤٥٦", "account_number"),
        (accounts.check_ifsc, "HDFC1001234", "ifsc"),
        (accounts.check_ifsc, "HDF00001234", "ifsc"),
        (accounts.check_ifsc, "HDFC000123", "ifsc"),
        (accounts.check_iban, "DE89370400440532013001", "iban"),
        (accounts.check_iban, "DE8937040044053201300", "iban"),
        (accounts.check_iban, "", "iban"),
        (accounts.check_iban, "XX", "iban"),
        (accounts.check_routing_number, "021000020", "routing_number"),
        (accounts.check_routing_number, "02100002", "routing_number"),
        (accounts.check_routing_number, "abc", "routing_number"),
        (accounts.check_vpa, "ravi", "vpa"),
        (accounts.check_vpa, "ravi@ok@bank", "vpa"),
        (accounts.check_vpa, "ravi@bank.com", "vpa"),
        (accounts.check_vpa, "@okbank", "vpa"),
        (accounts.check_name_at_bank, " ", "name_at_bank"),
        (accounts.check_name_at_bank, "रवि कुमार", "name_at_bank"),
        (accounts.check_name_at_bank, "Maya <b>", "name_at_bank"),
        (accounts.check_name_at_bank, "M" * 101, "name_at_bank"),
    ],
)
def test_what_is_wrong_is_named_with_an_example(check: object, typed: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check(typed)  # type: ignore[operator]
    assert refusal.value.field == field
    assert refusal.value.example
    assert check(refusal.value.example)  # type: ignore[operator]


@given(typed=st.text(max_size=60))
def test_any_text_is_accepted_or_refused_but_never_breaks(typed: str) -> None:
    for check in (
        accounts.check_account_number,
        accounts.check_ifsc,
        accounts.check_iban,
        accounts.check_routing_number,
        accounts.check_vpa,
        accounts.check_name_at_bank,
    ):
        try:
            kept = check(typed)
        except Invalid:
            continue
        assert check(kept) == kept


@given(number=NUMBERS)
def test_a_mask_shows_at_most_half_and_at_most_four_signs(number: str) -> None:
    shown = accounts.mask_account(number).removeprefix("••")
    assert number.endswith(shown)
    assert len(shown) <= 4
    assert len(shown) * 2 <= len(number)


@given(
    name=st.text(string.ascii_lowercase, min_size=2, max_size=30),
    bank=st.text(string.ascii_lowercase, min_size=2),
)
def test_a_mask_of_a_upi_address_shows_one_letter_and_the_bank(name: str, bank: str) -> None:
    assert accounts.mask_vpa(f"{name}@{bank}") == f"{name[0]}•••@{bank}"


@given(number=st.text(string.digits, min_size=8, max_size=25))
def test_masked_and_repr_of_a_destination_never_hold_the_number(number: str) -> None:
    where = accounts.ifsc_account(account_number=number, ifsc="HDFC0001234", name_at_bank="Maya")
    assert number not in where.masked
    assert number not in repr(where)


def test_the_same_account_has_the_same_identity_however_it_is_typed() -> None:
    one = accounts.ifsc_account(account_number="0001 2345", ifsc="hdfc0001234", name_at_bank="Maya")
    two = accounts.ifsc_account(
        account_number="00012345", ifsc="HDFC 0001234", name_at_bank="M. F.", bank_name="HDFC"
    )
    other = accounts.ifsc_account(account_number="00012345", ifsc="HDFC0001235", name_at_bank="Maya")
    assert one.identity == two.identity != other.identity
    assert accounts.by_hand().identity == ""


def test_every_way_has_its_mask() -> None:
    assert accounts.iban_account(iban="DE89370400440532013000", name_at_bank="A B").masked == "••3000"
    assert (
        accounts.aba_account(account_number="1234", routing_number="021000021", name_at_bank="A").masked
        == "••34"
    )
    assert accounts.upi_address(vpa="ravi@okbank", name_at_bank="Ravi").masked == "r•••@okbank"
    assert accounts.by_hand().masked == "By hand"

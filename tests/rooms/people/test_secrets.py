"""Bank details are sealed to their row, old keys still read, and nothing prints them."""

from __future__ import annotations

import base64
import json
import pickle

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from tests.factories import destination, method, organisation, payee
from webapp import secrets
from webapp.config import Settings
from webapp.database import db
from webapp.people import queries
from webapp.people.models import PayoutMethod
from webapp.secrets import KeyRing, Secret, SecretsError

OLD, NEW = ("old", bytes(range(32))), ("new", bytes(range(32, 64)))
RING = KeyRing([NEW, OLD], b"index key of the tests")
TEXTS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=60), max_size=4)


@given(values=TEXTS, binding=st.text(max_size=60))
def test_what_was_sealed_is_opened(values: dict[str, str], binding: str) -> None:
    envelope = RING.encrypt(values, binding)
    assert envelope.startswith("v1.new.")
    assert RING.decrypt(envelope, binding).reveal() == values


@given(values=TEXTS, binding=st.text(max_size=20), other=st.text(max_size=20))
def test_details_moved_to_another_row_do_not_open(values: dict[str, str], binding: str, other: str) -> None:
    envelope = RING.encrypt(values, binding)
    if binding != other:
        with pytest.raises(SecretsError):
            RING.decrypt(envelope, other)


@given(data=st.data())
def test_a_changed_sign_anywhere_is_noticed(data: st.DataObject) -> None:
    envelope = RING.encrypt({"account_number": "000123456789"}, "row")
    place = data.draw(st.integers(0, len(envelope) - 1))
    sign = data.draw(st.sampled_from("ABCxyz019-_.="))
    changed = envelope[:place] + sign + envelope[place + 1 :]
    if changed != envelope:
        with pytest.raises(SecretsError):
            RING.decrypt(changed, "row")


@given(envelope=st.text(max_size=80))
def test_any_other_text_is_refused(envelope: str) -> None:
    with pytest.raises(SecretsError):
        RING.decrypt(envelope, "row")
    with pytest.raises(SecretsError):
        RING.decrypt("v1.new." + envelope, "row")


def test_the_same_details_are_sealed_differently_each_time() -> None:
    assert len({RING.encrypt({"a": "1"}, "row") for _ in range(20)}) == 20


def test_an_old_key_reads_and_the_first_one_writes() -> None:
    old = KeyRing([OLD], b"x").encrypt({"a": "1"}, "row")
    assert RING.decrypt(old, "row").reveal() == {"a": "1"}
    with pytest.raises(SecretsError, match="no key 'old'"):
        KeyRing([NEW], b"x").decrypt(old, "row")
    swapped = old.replace("v1.old.", "v1.new.")
    with pytest.raises(SecretsError):
        RING.decrypt(swapped, "row")


def test_a_secret_shows_nothing() -> None:
    secret = Secret({"account_number": "000123456789"})
    for text in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", "%s" % secret, repr([secret])):  # noqa: UP031
        assert "123456789" not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    copy = secret.reveal()
    copy["account_number"] = "changed"
    assert secret.reveal()["account_number"] == "000123456789"


def test_neither_ring_nor_destination_print_their_secrets() -> None:
    assert "index" not in repr(RING).replace("index_key", "")
    assert repr(OLD[1]) not in repr(RING)
    assert "000123456789" not in repr(destination("000123456789"))


@given(one=st.text(max_size=40), two=st.text(max_size=40))
def test_the_blind_index_is_equal_for_equal_accounts_only(one: str, two: str) -> None:
    assert (RING.blind_index(one) == RING.blind_index(two)) == (one == two)
    assert RING.blind_index(one) != KeyRing([NEW], b"another key").blind_index(one)


def test_a_row_keeps_no_clear_number(database: Flask) -> None:
    row = method(payee(organisation()), destination("000123456789"))
    kept = " ".join(str(getattr(row, column.name)) for column in PayoutMethod.__table__.columns)
    assert "000123456789" not in kept
    assert row.details_encrypted is not None
    assert row.details_encrypted.startswith("v1.t1.")
    assert queries.details_of(row).reveal()["account_number"] == "000123456789"


def test_details_copied_to_another_payees_row_do_not_open(database: Flask) -> None:
    house = organisation()
    one, two = method(payee(house)), method(payee(house))
    stolen = PayoutMethod(uid=two.uid, details_encrypted=one.details_encrypted)
    with pytest.raises(SecretsError):
        queries.details_of(stolen)
    db.session.rollback()


def test_a_method_by_hand_has_no_details() -> None:
    assert queries.details_of(PayoutMethod(uid="x", details_encrypted=None)).reveal() == {}


def test_the_ring_comes_from_the_settings(settings: Settings) -> None:
    key = base64.b64encode(bytes(32)).decode()
    ring = secrets.key_ring_of(settings.model_copy(update={"field_keys": f"b:{key},a:{key}"}))
    assert ring.encrypt({}, "row").startswith("v1.b.")

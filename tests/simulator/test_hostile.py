"""Whatever is sent, a provider answers in its own words: never a 5xx of ours, and never money for nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.world import HEADERS
from webapp.simulator import app as application
from webapp.simulator.settings import Options, Settings

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=60), st.sampled_from(["026291800001191", "YESB0000262", "success@upi", "imps", "T1", "INR"]),
)  # fmt: skip
_names = st.sampled_from(
    ["transfer_id", "transfer_amount", "transfer_mode", "beneficiary_details", "beneficiary_id", "beneficiary_name",
     "beneficiary_instrument_details", "bank_account_number", "bank_ifsc", "vpa", "card_details", "transfer_remarks",
     "batch_transfer_id", "transfers", "beneficiary_contact_details", "verification_id", "bank_account", "ifsc"]
)  # fmt: skip
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=12,
)
PLACES = (
    "/cashfree/payout/transfers", "/cashfree/payout/transfers/batch", "/cashfree/payout/beneficiary",
    "/cashfree/verification/bank-account/sync", "/cashfree/verification/upi",
)  # fmt: skip


@pytest.fixture(scope="module")
def api() -> FlaskClient:
    """A caller without a network."""
    options = Options(hang_seconds=0.0)
    return application.create(Settings(has_background=False, options=options)).test_client()


@given(place=st.sampled_from(PLACES), body=_anything)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json(api: FlaskClient, place: str, body: Any) -> None:
    reply = api.post(place, data=json.dumps(body), headers=HEADERS)
    assert reply.status_code < 500
    assert isinstance(reply.json, dict)
    if reply.status_code >= 400:
        assert {"type", "code", "message"} <= set(reply.json)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe", b"[" * 100_000, b'{"transfer_id":"T1","transfer_amount":1e999999999}',
        b'{"transfer_id":"T1","transfer_amount":-1e-999999999}', b'{"transfer_id":' + b"9" * 5000 + b"}",
        b'{"transfer_id":"T\\u0000"}', b'{"transfer_id":"T1","transfer_amount":Infinity}',
    ],
    ids=["bytes", "deep", "huge", "tiny", "digits", "nul", "infinity"],
)  # fmt: skip
@pytest.mark.parametrize("place", PLACES)
def test_nasty_bytes(api: FlaskClient, place: str, body: bytes) -> None:
    assert 400 <= api.post(place, data=body, headers=HEADERS).status_code < 500


@given(
    query=st.dictionaries(
        st.sampled_from(["transfer_id", "cf_transfer_id", "beneficiary_id"]), st.text(max_size=40)
    )
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_question(api: FlaskClient, query: dict[str, str]) -> None:
    for place in PLACES[:3]:
        assert 400 <= api.get(place, query_string=query, headers=HEADERS).status_code < 500


def test_a_body_that_is_too_long_is_refused(api: FlaskClient) -> None:
    body = b'{"transfer_id":"' + b"x" * 5_000_000 + b'"}'
    assert api.post(PLACES[0], data=body, headers=HEADERS).status_code == 413

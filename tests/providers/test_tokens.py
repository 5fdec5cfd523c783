"""One token of an account for all workers: one of them renews it, the others go on with the old one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from tests import factories
from tests.conftest import NOW
from tests.providers.accounts import account
from webapp.database import db, transaction
from webapp.providers import accounts
from webapp.providers.accounts import Access, Token
from webapp.providers.models import ProviderAccount, ProviderToken

MARGIN = timedelta(minutes=4)
HOUR = timedelta(hours=1)


@pytest.fixture
def access(database: Flask) -> Access:
    """An account at PhonePe."""
    return account(factories.organisation(currency="INR").id, "phonepe", client_id="c")


class Provider:
    """Hands out tokens "token-number-1", "token-number-2", … that are good for an hour."""

    def __init__(self, now: datetime) -> None:
        self.now, self.count = now, 0
        self.meanwhile: Callable[[], object] = lambda: None

    def fetch(self) -> Token | None:
        """One more token; what else happens while it is on its way happens first."""
        assert not db.session().in_transaction()
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.count += 1
        return Token(f"token-number-{self.count}", self.now + HOUR)


def _token(access: Access, provider: Provider, now: datetime) -> str | None:
    provider.now = now
    return accounts.shared_token(access, "payments", provider.fetch, now=now, margin=MARGIN)


def test_it_is_fetched_once_and_shared(access: Access) -> None:
    provider = Provider(NOW)
    assert [_token(access, provider, NOW) for _ in range(3)] == ["token-number-1"] * 3
    assert _token(access, Provider(NOW), NOW + timedelta(minutes=55)) == "token-number-1"


def test_it_is_renewed_some_minutes_before_its_end(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    assert _token(access, provider, NOW + timedelta(minutes=57)) == "token-number-2"


def test_while_one_renews_the_others_use_the_old_one(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    late = NOW + timedelta(minutes=57)
    seen: list[str | None] = []
    provider.meanwhile = lambda: seen.append(_token(access, provider, late))
    assert _token(access, provider, late) == "token-number-2"
    assert (seen, provider.count) == (["token-number-1"], 2)


def test_without_a_usable_token_nobody_waits(access: Access) -> None:
    provider = Provider(NOW)
    seen: list[str | None] = []
    provider.meanwhile = lambda: seen.append(_token(access, provider, NOW))
    assert {_token(access, provider, NOW), *seen} == {"token-number-1", "token-number-2"}


def test_a_renewal_that_died_is_taken_over(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    late = NOW + timedelta(minutes=57)

    def die() -> Token | None:
        raise SystemExit

    with pytest.raises(SystemExit):
        accounts.shared_token(access, "payments", die, now=late, margin=MARGIN)
    db.session.rollback()
    assert _token(access, provider, late) == "token-number-1"
    assert _token(access, provider, late + accounts.RENEWAL + timedelta(seconds=1)) == "token-number-2"


class StandingClock:
    """Stands in for the module `time`: whoever sleeps is awake at once, and later."""

    def __init__(self) -> None:
        self.seconds, self.looks = 0.0, 0

    def monotonic(self) -> float:
        """Seconds since some instant."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.looks += 1


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    """The clock by which workers wait for one another."""
    clock = StandingClock()
    monkeypatch.setattr(accounts, "time", clock)
    return clock


def _patiently(
    access: Access, fetch: Callable[[], Token | None], now: datetime, patience: timedelta
) -> str | None:
    return accounts.shared_token(access, "books", fetch, now=now, margin=MARGIN, patience=patience)


def _die() -> Token | None:
    raise SystemExit


def test_nobody_fetches_a_token_besides_the_one_who_claimed_it(
    access: Access, waiting: StandingClock
) -> None:
    """Where a provider gives few, the others give up for now."""
    provider, patience = Provider(NOW), timedelta(seconds=15)
    refused = []

    def others() -> None:
        for _ in range(3):
            with pytest.raises(accounts.Busy):
                _patiently(access, provider.fetch, NOW, patience)
            refused.append(waiting.seconds)

    provider.meanwhile = others
    assert _patiently(access, provider.fetch, NOW, patience) == "token-number-1"
    assert (provider.count, [round(each) for each in refused]) == (1, [15, 30, 45])


def test_those_who_wait_for_a_dead_one_take_over_when_its_claim_is_over(
    access: Access, waiting: StandingClock
) -> None:
    with pytest.raises(SystemExit):
        _patiently(access, _die, NOW, timedelta(seconds=15))
    db.session.rollback()
    provider, late = Provider(NOW), NOW + accounts.RENEWAL - timedelta(seconds=10)
    # The claim ends while they wait, not by the clock of when they began.
    assert _patiently(access, provider.fetch, late, timedelta(seconds=15)) == "token-number-1"
    assert (provider.count, 10 <= waiting.seconds <= 11) == (1, True)


@pytest.mark.parametrize("is_refused", [False, True], ids=["late", "refused"])
def test_a_slow_one_does_not_end_the_claim_of_its_successor(
    access: Access, waiting: StandingClock, is_refused: bool
) -> None:
    provider = Provider(NOW)
    late = NOW + accounts.RENEWAL + timedelta(seconds=1)

    def slow() -> Token | None:
        with pytest.raises(SystemExit):
            _patiently(access, _die, late, timedelta(seconds=15))
        db.session.rollback()
        if is_refused:
            raise ConnectionError
        # So short that it must be renewed at once.
        return Token("token-of-the-slow", late + timedelta(seconds=1))

    if is_refused:
        with pytest.raises(ConnectionError):
            _patiently(access, slow, NOW, timedelta(seconds=15))
    else:
        assert _patiently(access, slow, NOW, timedelta(seconds=15)) == "token-of-the-slow"
    with pytest.raises(accounts.Busy):
        _patiently(access, provider.fetch, late + timedelta(seconds=2), timedelta(seconds=15))
    assert provider.count == 0


def test_a_provider_that_refuses_gives_none(access: Access) -> None:
    assert accounts.shared_token(access, "payments", lambda: None, now=NOW, margin=MARGIN) is None


def test_a_forgotten_token_is_fetched_anew(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    accounts.forget_token(access.account_id, "payments")
    assert _token(access, provider, NOW) == "token-number-2"


def test_purposes_and_accounts_have_tokens_of_their_own(access: Access) -> None:
    provider = Provider(NOW)
    other = account(factories.organisation(currency="INR").id, "phonepe", client_id="d")
    assert _token(access, provider, NOW) == "token-number-1"
    assert _token(other, provider, NOW) == "token-number-2"
    assert (
        accounts.shared_token(access, "balance", provider.fetch, now=NOW, margin=MARGIN) == "token-number-3"
    )


def test_it_is_stored_sealed_and_bound_to_its_row(access: Access) -> None:
    provider = Provider(NOW)
    _token(access, provider, NOW)
    other = account(factories.organisation(currency="INR").id, "phonepe", client_id="d")
    _token(other, provider, NOW)
    first, second = db.session.scalars(select(ProviderToken).order_by(ProviderToken.id)).all()
    assert first.token_encrypted is not None
    assert "token-number-1" not in first.token_encrypted
    moved, second_id = first.token_encrypted, second.id
    with transaction():
        db.session.get_one(ProviderToken, second_id).token_encrypted = moved
    with pytest.raises(Exception, match="belong to another record"):
        _token(other, provider, NOW)


def test_keys_are_never_printed(access: Access) -> None:
    found = accounts.find_access(access.organisation_id, "phonepe")
    assert found is not None
    assert found.get("client_id") == "c"
    assert "client_id" not in repr(found)
    assert "token-number-1" not in repr(Token("token-number-1", NOW))


def test_an_account_that_is_switched_off_has_no_access(access: Access) -> None:
    with transaction():
        db.session.get_one(ProviderAccount, access.account_id).is_enabled = False
    assert accounts.find_access(access.organisation_id, "phonepe") is None
    assert accounts.find_access(access.organisation_id, "cashfree") is None


def test_a_provider_is_never_called_inside_a_transaction(access: Access) -> None:
    with transaction(), pytest.raises(RuntimeError, match="outside"):
        accounts.find_access(access.organisation_id, "phonepe")

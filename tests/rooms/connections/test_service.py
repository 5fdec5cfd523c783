"""Keys of providers: what is taken, what is kept, what is never told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select

from tests import factories
from tests.factories.connections import CASHFREE, KEYS, PHONEPE, connection
from webapp.audit.models import AuditEvent
from webapp.connections import queries, rules, service, simulated
from webapp.connections.rules import InvalidKeys
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.kernel.errors import Conflict, NotFound, StaleVersion
from webapp.people.models import Organisation
from webapp.providers import accounts
from webapp.providers.cashfree import client
from webapp.providers.models import ProviderAccount, ProviderBeneficiary, ProviderToken
from webapp.secrets import SecretsError

pytestmark = pytest.mark.usefixtures("database")


def save(
    organisation: Organisation,
    values: Mapping[str, str],
    *,
    provider: str = "cashfree",
    environment: str = "sandbox",
    now: datetime,
    **rest: object,
) -> ProviderAccount:
    with transaction():
        return service.save(
            organisation_id=organisation.id,
            provider=provider,
            environment=environment,
            credentials=values,
            actor=Actor(None, "test"),
            now=now,
            **rest,  # type: ignore[arg-type]
        )


def wrong_fields(
    organisation: Organisation, values: Mapping[str, str], now: datetime, **rest: object
) -> list[str]:
    with pytest.raises(InvalidKeys) as caught:
        save(organisation, values, now=now, **rest)  # type: ignore[arg-type]
    assert all(problem.example for problem in caught.value.problems)
    return [problem.field for problem in caught.value.problems]


@pytest.mark.parametrize("provider", ["cashfree", "phonepe"])
def test_keys_are_stored_encrypted_and_used_by_adapters(provider: str, now: datetime) -> None:
    organisation = factories.organisation()
    row = save(organisation, KEYS[provider], provider=provider, now=now)
    assert row.masked == f"••{KEYS[provider]['client_id'][-4:]}"
    assert not any(value in row.credentials_encrypted for value in KEYS[provider].values() if len(value) > 3)
    access = accounts.find_access(organisation.id, provider)
    assert access is not None
    assert dict(access.credentials) == KEYS[provider]
    assert KEYS[provider]["client_secret"] not in repr(access)


def test_the_envelope_of_one_account_opens_no_other(now: datetime) -> None:
    one, other = connection(factories.organisation()), connection(factories.organisation())
    with transaction():
        db.session.get_one(ProviderAccount, one.id).credentials_encrypted = other.credentials_encrypted
    with pytest.raises(SecretsError):
        queries.opened(db.session.get_one(ProviderAccount, one.id))


def test_the_trail_names_what_was_entered_and_no_value(now: datetime) -> None:
    organisation = factories.organisation()
    save(organisation, {**CASHFREE, "fund_source": "CASHFREE_1"}, now=now)
    save(organisation, {"client_secret": "cashfree-secret-2", "fund_source": "CASHFREE_1"}, now=now)
    events = db.session.scalars(select(AuditEvent).where(AuditEvent.subject_type == "connection")).all()
    assert [event.tag for event in events] == ["connections:account:added", "connections:account:changed"]
    assert events[1].changes["entered"] == [None, ["Client secret"]]
    told = str([(event.changes, event.note, event.subject_label) for event in events])
    assert not any(value in told for value in (*CASHFREE.values(), "cashfree-secret-2"))


def test_an_empty_secret_keeps_what_is_there_and_the_rest_is_what_was_typed(now: datetime) -> None:
    organisation = factories.organisation()
    save(organisation, {**CASHFREE, "fund_source": "CASHFREE_1"}, now=now)
    row = save(organisation, {"client_id": "", "fund_source": ""}, now=now)
    assert queries.opened(row) == CASHFREE
    assert row.version == 2


def test_a_new_secret_keeps_the_old_one_for_messages_until_it_is_forgotten(now: datetime) -> None:
    organisation = factories.organisation()
    save(organisation, CASHFREE, now=now)
    row = save(organisation, {"client_secret": "cashfree-secret-2"}, now=now)
    assert queries.opened(row)["old_client_secret"] == CASHFREE["client_secret"]
    row = save(organisation, {"fund_source": "CASHFREE_1"}, now=now)
    assert queries.opened(row)["old_client_secret"] == CASHFREE["client_secret"]
    row = save(organisation, {}, now=now, removed={"old_client_secret"})
    assert "old_client_secret" not in queries.opened(row)
    assert queries.opened(row)["client_secret"] == "cashfree-secret-2"


def test_optional_secrets_are_removed_by_name_and_needed_ones_are_not(now: datetime) -> None:
    organisation = factories.organisation()
    pair = {"verification_client_id": "CFVRS_1234", "verification_client_secret": "verify-secret-1"}
    save(organisation, {**CASHFREE, **pair}, now=now)
    row = save(organisation, {}, now=now, removed={*pair, "client_secret", "client_id"})
    assert queries.opened(row) == CASHFREE


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "no blanks here"}, "client_id"),
        ({"client_secret": "short"}, "client_secret"),
        ({"client_secret": "with a blank in it"}, "client_secret"),
        ({"client_secret": "geheim-€-zeichen"}, "client_secret"),
        ({"public_key": "-----BEGIN PRIVATE KEY-----"}, "public_key"),
        ({"fund_source": "two words"}, "fund_source"),
        ({"verification_client_id": "CFVRS_1234"}, "verification_client_secret"),
        ({"payouts_url": "http://api.cashfree.com/payout"}, "payouts_url"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_with_an_example(
    values: dict[str, str], field: str, now: datetime
) -> None:
    assert wrong_fields(factories.organisation(), {**CASHFREE, **values}, now) == [field]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"client_version": "one"}, "client_version"),
        ({"client_version": ""}, "client_version"),
        ({"webhook_username": "abc"}, "webhook_username"),
        ({"webhook_password": "onlyletters"}, "webhook_password"),
        ({"webhook_password": "12345678"}, "webhook_password"),
        ({"webhook_username": ""}, "webhook_username"),
        ({"merchant_id": "M 1"}, "merchant_id"),
        ({"oauth_url": "https://api.cashfree.com"}, "oauth_url"),
    ],
)
def test_the_same_for_phonepe(values: dict[str, str], field: str, now: datetime) -> None:
    assert wrong_fields(factories.organisation(), {**PHONEPE, **values}, now, provider="phonepe") == [field]


def test_every_problem_is_said_at_once_and_nothing_is_stored(now: datetime) -> None:
    organisation = factories.organisation()
    found = wrong_fields(organisation, {"fund_source": "a b"}, now, environment="staging")
    assert found == ["environment", "client_id", "client_secret", "fund_source"]
    assert queries.find(organisation.id, "cashfree") is None


@pytest.mark.parametrize("word", ["", "Production", "prod", "sandbox ", "test"])
def test_the_environment_is_one_of_two_words(word: str, now: datetime) -> None:
    assert wrong_fields(factories.organisation(), CASHFREE, now, environment=word) == ["environment"]


def test_a_demo_uses_the_sandbox(now: datetime) -> None:
    assert wrong_fields(factories.organisation(), CASHFREE, now, environment="production", is_demo=True) == [
        "environment"
    ]


@pytest.mark.parametrize(
    ("address", "in_trials", "otherwise"),
    [
        ("https://api.cashfree.com/payout", True, True),
        ("https://cashfree.com", True, True),
        ("https://payout-api.cashfree.com:443", True, True),
        ("http://127.0.0.1:8100/cashfree/payout", True, False),
        ("http://localhost:8100/x", True, False),
        ("http://[::1]:8100/x", True, False),
        ("https://127.0.0.1/x", False, False),
        ("http://127.0.0.1.example.com/x", False, False),
        ("https://cashfree.com.example.com", False, False),
        ("https://evilcashfree.com", False, False),
        ("https://api.cashfree.com@example.com/", False, False),
        ("https://user:pass@api.cashfree.com/", False, False),
        ("https://api.cashfree.com:8443/", False, False),
        ("https://api.cashfree.com/?to=x", False, False),
        ("https://api.cashfree.com/#x", False, False),
        ("https://api.cashfree.com\\@example.com/", False, False),
        ("https://api.cashfree.com/ x", False, False),
        ("https://аpi.cashfree.com/", False, False),
        ("ftp://api.cashfree.com/", False, False),
        ("//api.cashfree.com/", False, False),
        ("https://[api.cashfree.com/", False, False),
        ("https://api.cashfree.com:port/", False, False),
        ("https://" + "a" * 200 + ".cashfree.com/", False, False),
    ],
)
def test_keys_go_to_the_provider_alone(address: str, in_trials: bool, otherwise: bool) -> None:
    assert rules.is_allowed_address(address, "cashfree.com", is_trial=True) is in_trials
    assert rules.is_allowed_address(address, "cashfree.com", is_trial=False) is otherwise


def test_a_public_key_is_taken_as_cashfree_gives_it(now: datetime) -> None:
    organisation = factories.organisation()
    for bits in (2048, 4096):
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        row = save(organisation, {**CASHFREE, "public_key": pem.replace("\n", "\r\n")}, now=now)
        assert client.signature("id", queries.opened(row)["public_key"], 1)


def test_a_lost_race_changes_nothing(now: datetime) -> None:
    organisation = factories.organisation()
    save(organisation, CASHFREE, now=now, expected_version=0)
    with pytest.raises(StaleVersion):
        save(organisation, CASHFREE, now=now, expected_version=0)
    save(organisation, CASHFREE, now=now, expected_version=1)
    with pytest.raises(StaleVersion):
        save(organisation, {"client_secret": "cashfree-secret-9"}, now=now, expected_version=1)
    assert queries.opened(queries.accounts(organisation.id)["cashfree"]) == CASHFREE


def test_another_account_needs_the_connection_off_and_its_own_keys(now: datetime) -> None:
    organisation = factories.organisation()
    row = connection(organisation)
    for change in ({"client_id": "CF_OTHER_1"}, {"payouts_url": "https://api.cashfree.com/payout/v2"}):
        with pytest.raises(Conflict, match="Switch the connection off first"):
            save(organisation, change, now=now)
    with pytest.raises(Conflict, match="Switch the connection off first"):
        save(organisation, {}, environment="production", now=now)
    with transaction():
        db.session.add(ProviderToken(uid="t" * 32, account_id=row.id, purpose="balance"))
        db.session.add(
            ProviderBeneficiary(account_id=row.id, beneficiary_key="k", beneficiary_id="b", created_at=now)
        )
        service.switch(
            organisation_id=organisation.id, provider="cashfree", is_on=False, actor=Actor(None, "t"), now=now
        )
    assert wrong_fields(organisation, {}, now, environment="production") == ["client_secret"]
    row = save(organisation, {"client_secret": "production-secret"}, environment="production", now=now)
    assert row.environment == "production"
    # What was true of the other account is forgotten, and so is the secret that signed its messages.
    assert db.session.scalar(select(ProviderToken.id)) is None
    assert db.session.scalar(select(ProviderBeneficiary.id)) is None
    assert "old_client_secret" not in queries.opened(row)


def test_a_room_above_keeps_an_account_in_use_where_it_is(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_guards", {})
    organisation, other = factories.organisation(), factories.organisation()
    open_at = {organisation.id}
    service.register_guard("cashfree", lambda one: "1 transfer is on the way." if one in open_at else "")
    for each in (organisation, other):
        connection(each)
        with transaction():
            service.switch(
                organisation_id=each.id, provider="cashfree", is_on=False, actor=Actor(None, "t"), now=now
            )
    with pytest.raises(Conflict, match="on the way"):
        save(organisation, {"client_id": "CF_OTHER_1"}, now=now)
    # A new secret of the same account is no other account.
    assert save(organisation, {"client_secret": "cashfree-secret-2"}, now=now).version == 3
    assert save(other, {"client_id": "CF_OTHER_1"}, now=now).masked == "••ER_1"
    open_at.clear()
    assert save(organisation, {"client_id": "CF_OTHER_1"}, now=now).masked == "••ER_1"


def test_off_means_that_adapters_find_no_keys(now: datetime) -> None:
    organisation = factories.organisation()
    assert "no keys" in queries.why_not_usable(organisation.id, "cashfree")
    connection(organisation)
    assert queries.is_usable(organisation.id, "cashfree")
    for is_on in (False, False, True):
        with transaction():
            row = service.switch(
                organisation_id=organisation.id,
                provider="cashfree",
                is_on=is_on,
                actor=Actor(None, "t"),
                now=now,
            )
        assert queries.is_usable(organisation.id, "cashfree") is is_on
        assert (accounts.find_access(organisation.id, "cashfree") is not None) is is_on
    assert row.version == 3
    assert "switched off" not in queries.why_not_usable(organisation.id, "cashfree")


def test_nobody_elses_account_is_there(now: datetime) -> None:
    connection(factories.organisation())
    stranger = factories.organisation()
    assert queries.accounts(stranger.id) == {}
    assert queries.find(stranger.id, "cashfree") is None
    with pytest.raises(Conflict, match="no keys"), transaction():
        service.switch(
            organisation_id=stranger.id, provider="cashfree", is_on=False, actor=Actor(None, "t"), now=now
        )
    with pytest.raises(NotFound):
        save(stranger, CASHFREE, provider="stripe", now=now)


def test_the_simulator_is_where_demo_organisations_in_india_go(now: datetime) -> None:
    demo, dollars, real = (
        factories.organisation("griha-demo", currency="INR"),
        factories.organisation("dollars", currency="USD"),
        factories.organisation("real", currency="INR"),
    )
    with transaction():
        for each in (demo, dollars):
            db.session.get_one(Organisation, each.id).is_demo = True
    ids = (demo.id, dollars.id, real.id)
    for _ in range(2):
        rows = service.point_at_simulator("http://127.0.0.1:8100/", clock=lambda: now)
        assert sorted((row.organisation_id, row.provider) for row in rows) == [
            (ids[0], "cashfree"),
            (ids[0], "phonepe"),
        ]
    assert [queries.accounts(one).keys() for one in ids[1:]] == [set(), set()]
    row = queries.accounts(ids[0])["cashfree"]
    assert row.version == 1
    assert queries.opened(row)["payouts_url"] == "http://127.0.0.1:8100/cashfree/payout"
    # Another port the next time.
    service.point_at_simulator("http://127.0.0.1:8200", clock=lambda: now + timedelta(hours=1))
    assert queries.opened(queries.accounts(ids[0])["phonepe"]) == simulated.phonepe("http://127.0.0.1:8200")


def test_keys_that_somebody_entered_are_not_taken_to_the_simulator(now: datetime) -> None:
    demo = factories.organisation(currency="INR")
    with transaction():
        db.session.get_one(Organisation, demo.id).is_demo = True
    connection(demo)
    organisation_id = demo.id
    rows = service.point_at_simulator("http://127.0.0.1:8100", clock=lambda: now)
    assert [row.provider for row in rows] == ["phonepe"]
    assert queries.opened(queries.accounts(organisation_id)["cashfree"]) == CASHFREE


@pytest.mark.parametrize(
    ("name", "address"),
    [("accounts_url", "https://accounts.zoho.com"), ("books_url", "https://www.zohoapis.com")],
)
def test_outside_trials_the_data_centre_alone_says_where_zoho_is(name: str, address: str) -> None:
    """Under a provider's own domain may be hosts that its customers run."""
    values = {"client_id": "1000.ABC", "client_secret": "a-long-secret", "data_centre": "in", name: address}
    for is_trial, wrong in ((True, []), (False, [name])):
        found = rules.problems(rules.ZOHO, rules.PRODUCTION, values, is_trial=is_trial, is_demo=False)
        assert [problem.field for problem in found] == wrong

"""The one writer of an organisation's accounts at providers: keys in, on, off. What is stored is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from webapp import secrets
from webapp.audit import service as audit
from webapp.connections import queries, rules, simulated
from webapp.connections.rules import InvalidKeys, Provider
from webapp.database import db, lock_row, transaction
from webapp.kernel.actor import COMMAND, Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, StaleVersion
from webapp.kernel.ids import new_uid
from webapp.people.models import Organisation
from webapp.providers.accounts import CREDENTIALS_OF
from webapp.providers.models import ProviderAccount, ProviderBeneficiary, ProviderToken

_LONGEST = 4000
# Provider -> says why another account cannot take the place of an organisation's present one; empty: it can.
_guards: dict[str, list[Callable[[int], str]]] = {}


def register_guard(provider: str, guard: Callable[[int], str]) -> None:
    """Let a room above say what of an organisation is still open at its account, so that it cannot be exchanged.

    A transfer that was sent through one account is not known to another: asked there, it would seem never sent.
    """
    if guard not in _guards.setdefault(provider, []):
        _guards[provider].append(guard)


def save(
    *,
    organisation_id: int,
    provider: str,
    environment: str,
    credentials: Mapping[str, str],
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
    removed: Collection[str] = (),
    is_trial: bool = False,
    is_demo: bool = False,
) -> ProviderAccount:
    """Keep an account at a provider. A secret left empty stays as it is; `removed` names optional ones to drop.

    `is_trial`: demo and test may name an address of this machine. `expected_version` is what the person saw (0: no
    account). Raises InvalidKeys with every problem, StaleVersion, Conflict while another account cannot take its place.
    """
    known = queries.provider_of(provider)
    account = _locked(organisation_id, provider)
    _check_seen(account, expected_version)
    if not known.has_environments:
        environment = rules.PRODUCTION
    kept = queries.opened(account) if account else {}
    dropped = {name for name in removed if name not in known.required}
    values = rules.merged(known, credentials, kept, dropped)
    if found := rules.problems(known, environment, values, is_trial=is_trial, is_demo=is_demo):
        raise InvalidKeys(found)
    moves = account is not None and (
        environment != account.environment or rules.is_another_account(known, values, kept)
    )
    if account is not None and moves:
        _refuse_to_move(account, known, environment, values, kept)
        values.pop(rules.OLD_SECRET, None)
    before = (account.environment, account.masked) if account else (None, None)
    row = _write(account, organisation_id, known, environment, values, actor, now)
    if moves:
        _forget(row)
    elif kept.get("client_secret") not in (None, values.get("client_secret")):
        _forget_tokens(row)
    audit.record(
        tag="connections:account:changed" if account else "connections:account:added",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="connection",
        subject_id=row.id,
        subject_label=known.label,
        changes={
            "environment": [before[0], row.environment],
            "client id": [before[1], row.masked],
            "entered": [None, _entered(known, values, kept)],
        },
    )
    return row


def _entered(provider: Provider, values: Mapping[str, str], kept: Mapping[str, str]) -> list[str]:
    """Which parts are other than before, by what people call them; never their values."""
    return [p.label for p in provider.parts if values.get(p.name, "") != kept.get(p.name, "")]


def _locked(organisation_id: int, provider: str) -> ProviderAccount | None:
    return db.session.scalar(
        select(ProviderAccount)
        .where(ProviderAccount.organisation_id == organisation_id, ProviderAccount.provider == provider)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _check_seen(account: ProviderAccount | None, expected_version: int | None) -> None:
    if expected_version is not None and expected_version != (account.version if account else 0):
        raise StaleVersion(
            "Somebody else changed this connection since you opened the page. Nothing was saved."
        )


def _refuse_to_move(
    account: ProviderAccount,
    provider: Provider,
    environment: str,
    values: Mapping[str, str],
    kept: Mapping[str, str],
) -> None:
    """Another account takes the place of this one only when nothing is on its way through it, and with its own keys."""
    if account.is_enabled:
        raise Conflict(
            f"This is another account at {provider.label}, or another environment. Switch the connection off first, "
            "so that nothing is sent meanwhile."
        )
    for guard in _guards.get(provider.name, ()):
        if reason := guard(account.organisation_id):
            raise Conflict(reason)
    if environment != account.environment and values.get("client_secret") == kept.get("client_secret"):
        part = provider.part("client_secret")
        raise InvalidKeys(
            [
                Invalid(
                    part.name,
                    f"Each environment has its own keys: enter those of {environment}.",
                    part.example,
                )
            ]
        )


def _write(
    account: ProviderAccount | None,
    organisation_id: int,
    provider: Provider,
    environment: str,
    values: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> ProviderAccount:
    if account is None:
        account = ProviderAccount(
            uid=new_uid(),
            organisation_id=organisation_id,
            provider=provider.name,
            is_enabled=True,
            version=0,
            created_at=now,
        )
    envelope = secrets.key_ring().encrypt(values, secrets.binding(CREDENTIALS_OF, account.uid))
    if len(envelope) > _LONGEST:
        raise InvalidKeys(
            [Invalid("public_key", "The public key is too long. Use one of 2,048 or 4,096 bits.")]
        )
    account.credentials_encrypted = envelope
    account.environment, account.masked = environment, rules.mask(values["client_id"])
    account.tested_at, account.test_problem = None, ""
    account.version += 1
    account.changed_by_id, account.changed_at = actor.user_id, now
    db.session.add(account)
    try:
        db.session.flush()
    except IntegrityError as error:
        raise StaleVersion("Somebody else has just entered keys here. Nothing was saved.") from error
    return account


def _forget(account: ProviderAccount) -> None:
    """What was true of the account before: its tokens, and the payment details that it knew."""
    _forget_tokens(account)
    db.session.execute(delete(ProviderBeneficiary).where(ProviderBeneficiary.account_id == account.id))


def _forget_tokens(account: ProviderAccount) -> None:
    db.session.execute(delete(ProviderToken).where(ProviderToken.account_id == account.id))


def switch(
    *,
    organisation_id: int,
    provider: str,
    is_on: bool,
    actor: Actor,
    now: datetime,
    expected_version: int | None = None,
) -> ProviderAccount:
    """Switch a connection on or off. Off: nothing is sent and nothing is asked through it; messages are still kept.

    Raises Conflict without keys, StaleVersion. Switched already: nothing changes.
    """
    known = queries.provider_of(provider)
    if queries.find(organisation_id, provider) is None:
        raise Conflict(f"There are no keys for {known.label} yet. Enter them first.")
    account = lock_row(
        ProviderAccount,
        ProviderAccount.organisation_id == organisation_id,
        ProviderAccount.provider == provider,
    )
    if account.is_enabled == is_on:
        return account
    _check_seen(account, expected_version)
    account.is_enabled = is_on
    account.version += 1
    account.changed_by_id, account.changed_at = actor.user_id, now
    audit.record(
        tag="connections:account:switched_on" if is_on else "connections:account:switched_off",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="connection",
        subject_id=account.id,
        subject_label=known.label,
    )
    return account


def grant(
    *,
    organisation_id: int,
    provider: str,
    refresh_token: str,
    seen_version: int,
    actor: Actor,
    now: datetime,
    parts: Mapping[str, str] | None = None,
) -> ProviderAccount:
    """Keep what an admin's consent at the provider gave, for the keys that they saw; older tokens go.

    `parts` are those that the provider told with it, such as its data centre. Raises Conflict when the keys were
    changed meanwhile.
    """
    known = queries.provider_of(provider)
    account = _locked(organisation_id, provider)
    if account is None or account.version != seen_version or not known.needs_consent:
        raise Conflict(f"The keys of {known.label} were changed meanwhile. Connect it again.")
    values = {**queries.opened(account), **(parts or {}), rules.REFRESH_TOKEN: refresh_token}
    row = _write(account, organisation_id, known, account.environment, values, actor, now)
    _forget_tokens(row)
    audit.record(
        tag="connections:account:consented",
        actor=actor,
        now=now,
        organisation_id=organisation_id,
        subject_type="connection",
        subject_id=row.id,
        subject_label=known.label,
    )
    return row


def record_test(
    *, account_id: int, seen_version: int, problem: str, actor: Actor, now: datetime
) -> ProviderAccount | None:
    """Keep how a test of the connection went; None when the keys were changed meanwhile: it says nothing of these."""
    account = lock_row(ProviderAccount, ProviderAccount.id == account_id)
    if account.version != seen_version:
        return None
    account.tested_at, account.test_problem = now, problem[:300]
    audit.record(
        tag="connections:account:tested",
        actor=actor,
        now=now,
        organisation_id=account.organisation_id,
        subject_type="connection",
        subject_id=account.id,
        subject_label=rules.PROVIDERS[account.provider].label,
        note=problem[:300] or "It works.",
    )
    return account


def point_at_simulator(
    url: str, *, actor: Actor = COMMAND, clock: Callable[[], datetime] = utc_now
) -> list[ProviderAccount]:
    """Give every demo organisation that works in INR accounts at the simulator that listens at `url`.

    Called when the demo starts, before anything is sent; opens its own transaction. Accounts that lead elsewhere than
    to this machine are left alone. Returns the accounts that lead to the simulator.
    """
    found: list[ProviderAccount] = []
    with transaction() as session:
        demo = session.scalars(
            select(Organisation.id).where(Organisation.is_demo.is_(True), Organisation.currency == "INR")
        ).all()
        for organisation_id in demo:
            for provider, values in (
                ("cashfree", simulated.cashfree(url)),
                ("phonepe", simulated.phonepe(url)),
            ):
                if (row := _point(organisation_id, provider, values, actor, clock())) is not None:
                    found.append(row)
        for organisation_id in _keeping_books():
            if (row := _point(organisation_id, "zoho", simulated.zoho(url), actor, clock())) is not None:
                found.append(row)
        session.flush()
        session.expunge_all()
    return found


def _keeping_books() -> Sequence[int]:
    """Demo organisations that have an account at Zoho; whoever makes the demo gives them one."""
    query = (
        select(ProviderAccount.organisation_id)
        .join(Organisation, Organisation.id == ProviderAccount.organisation_id)
        .where(ProviderAccount.provider == "zoho", Organisation.is_demo.is_(True))
    )
    return db.session.scalars(query).all()


def _point(
    organisation_id: int, provider: str, values: dict[str, str], actor: Actor, now: datetime
) -> ProviderAccount | None:
    known, account = queries.provider_of(provider), _locked(organisation_id, provider)
    kept = queries.opened(account) if account else {}
    if kept == values:
        return account
    if kept and kept.get("client_id") != values["client_id"]:
        return None
    if problems := rules.problems(known, rules.SANDBOX, values, is_trial=True, is_demo=True):
        raise InvalidKeys(problems)
    environment = rules.SANDBOX if known.has_environments else rules.PRODUCTION
    return _write(account, organisation_id, known, environment, values, actor, now)

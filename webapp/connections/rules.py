"""What an account at each provider consists of, and what is wrong with what was entered. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from webapp.kernel.errors import Invalid
from webapp.providers.zoho.places import CENTRES

SANDBOX, PRODUCTION = "sandbox", "production"
ENVIRONMENTS = {SANDBOX: "Sandbox: nothing is paid", PRODUCTION: "Production: real money"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST = 3000
# A part that nobody types: the secret from before, which signs messages until the provider forgets it.
OLD_SECRET = "old_client_secret"  # noqa: S105 - a name
# Another: what an admin's consent at the provider gave.
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a name


@dataclass(frozen=True)
class Part:
    """One value of an account: what people call it, whether it is a secret, and what it must look like."""

    name: str
    label: str
    wrong: str
    example: str
    pattern: str = ""
    hint: str = ""
    # Write-only: an empty field keeps what there is, and no page ever shows it.
    is_secret: bool = False
    is_required: bool = False
    is_address: bool = False
    # Names the account itself: another value is another account, where our transfers are not known.
    names_the_account: bool = False
    # (value, label) where the value is one of a few.
    choices: tuple[tuple[str, str], ...] = ()
    # Where an address is not under the provider's own domain.
    domain: str = ""
    # Taken in demo and test alone: elsewhere another value of the account says where.
    is_for_trials: bool = False


def _address(name: str, label: str, example: str, domain: str = "", *, is_for_trials: bool = False) -> Part:
    wrong = "The address must begin with https:// and belong to the provider"
    return Part(
        name, label, wrong, example, is_address=True, names_the_account=True, domain=domain,
        is_for_trials=is_for_trials,
    )  # fmt: skip


_KEY = r"[\x21-\x7e]{8,200}"
_ID = r"[A-Za-z0-9_.-]{4,100}"
_PEM = (
    r"-----BEGIN (?:RSA )?PUBLIC KEY-----\s[A-Za-z0-9+/=\s]{100,2400}\s?-----END (?:RSA )?PUBLIC KEY-----\s*"
)


@dataclass(frozen=True)
class Provider:
    """A provider that an organisation can have an account at."""

    name: str
    label: str
    purpose: str
    # Addresses may be given under this domain.
    domain: str
    parts: tuple[Part, ...]
    # How its messages are told where to go; empty: it sends none.
    webhook_hint: str
    # Whether it has a world for trials beside the real one.
    has_environments: bool = True
    # Keys alone open nothing: an admin says yes at the provider.
    needs_consent: bool = False

    def part(self, name: str) -> Part:
        """The part of a name. Raises KeyError."""
        return {part.name: part for part in self.parts}[name]

    def addresses(self, *, is_trial: bool) -> list[Part]:
        """The addresses that may be given instead of the usual ones."""
        return [part for part in self.parts if part.is_address and (is_trial or not part.is_for_trials)]

    @property
    def required(self) -> tuple[str, ...]:
        """Names of what an account cannot do without."""
        return tuple(part.name for part in self.parts if part.is_required)


CASHFREE = Provider(
    "cashfree",
    "Cashfree Payouts",
    "Pays owners and other payees in India: bank accounts and UPI addresses.",
    "cashfree.com",
    (
        Part("client_id", "Client id", "The client id has letters, digits and the signs _ . -",
             "CF12345ABCDEFGHIJ", _ID, is_secret=True, is_required=True, names_the_account=True),
        Part("client_secret", "Client secret", "The client secret has 8 to 200 signs and no blanks",
             "cfsk_ma_prod_0a1b2c3d4e5f", _KEY, is_secret=True, is_required=True,
             hint="A new one keeps the old one for a while: Cashfree signs its messages with the oldest."),
        Part("public_key", "Public key of Cashfree", "The public key begins with -----BEGIN PUBLIC KEY-----",
             "-----BEGIN PUBLIC KEY----- …", _PEM, is_secret=True,
             hint="Only where this server has no fixed IP address that Cashfree lets in."),
        Part("fund_source", "Fund source", "The fund source has letters, digits, _ and -",
             "CASHFREE_1", r"[A-Za-z0-9_-]{1,60}", hint="Which account payouts leave. Empty: the usual one."),
        Part("webhook_version", "Version of messages", "The version of messages is 1 or 2", "2", "[12]",
             hint="Empty: 2, which is signed with the time. 1 only while Cashfree cannot send 2 to this address."),
        Part("verification_client_id", "Client id of Verification",
             "The client id has letters, digits and the signs _ . -", "CF12345VRS0ABCDEF", _ID, is_secret=True,
             hint="A product of its own with its own keys: asks banks for the name of an account."),
        Part("verification_client_secret", "Client secret of Verification",
             "The client secret has 8 to 200 signs and no blanks", "cfsk_ma_prod_5f4e3d2c1b0a", _KEY,
             is_secret=True),
        _address("payouts_url", "Address of Payouts", "https://api.cashfree.com/payout"),
        _address("balance_url", "Address that tells the balance", "https://payout-api.cashfree.com"),
        _address("verification_url", "Address of Verification", "https://api.cashfree.com/verification"),
    ),
    "In Cashfree: Payouts, Developers, Webhooks, add this address, choose version 2 and all events.",
)  # fmt: skip
PHONEPE = Provider(
    "phonepe",
    "PhonePe Payment Gateway",
    "Takes rents in from tenants. It cannot pay anybody.",
    "phonepe.com",
    (
        Part("client_id", "Client id", "The client id has letters, digits and the signs _ . -",
             "SU2605291234567890", _ID, is_secret=True, is_required=True, names_the_account=True),
        Part("client_version", "Client version", "The client version is a whole number", "1", r"\d{1,4}",
             is_required=True),
        Part("client_secret", "Client secret", "The client secret has 8 to 200 signs and no blanks",
             "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9", _KEY, is_secret=True, is_required=True),
        Part("merchant_id", "Merchant id", "The merchant id has letters, digits, _ and -", "M22ABCDEFGHIJ",
             r"[A-Za-z0-9_-]{3,60}", hint="Only for partners that collect for several merchants.",
             names_the_account=True),
        Part("webhook_username", "User name of messages", "The user name has 5 to 20 letters, digits or _",
             "paydesk_hooks", r"[A-Za-z0-9_]{5,20}", hint="You choose it, and enter the same at PhonePe."),
        Part("webhook_password", "Password of messages",
             "The password has 8 to 20 letters and digits, both of them", "k3yForHooks",
             r"(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9]{8,20}", is_secret=True),
        _address("oauth_url", "Address that gives tokens", "https://api.phonepe.com/apis/identity-manager"),
        _address("payments_url", "Address of payments", "https://api.phonepe.com/apis/pg"),
    ),
    "In PhonePe: Developer Settings, Webhook, add this address with the user name and password below, and all events.",
)  # fmt: skip
ZOHO = Provider(
    "zoho",
    "Zoho Books",
    "Keeps the books: approved payouts become bills there, paid ones are paid there too. It moves no money.",
    "zoho.com",
    (
        Part("client_id", "Client id", "The client id has letters, digits and the signs _ . -",
             "1000.ABCDEFGHIJKLMNOPQRSTUVWXYZ", _ID, is_secret=True, is_required=True, names_the_account=True,
             hint="Of a server-based application in Zoho’s API console."),
        Part("client_secret", "Client secret", "The client secret has 8 to 200 signs and no blanks",
             "0a1b2c3d4e5f60718293a4b5c6d7e8f9", _KEY, is_secret=True, is_required=True),
        Part("data_centre", "Data centre", "The data centre is one of Zoho’s", "in", "|".join(CENTRES),
             is_required=True, names_the_account=True, hint="Where you sign in to Zoho.",
             choices=tuple((name, centre.label) for name, centre in CENTRES.items())),
        # Whoever could name any host of Zoho's could name one that customers run.
        _address("accounts_url", "Address that gives tokens", "https://accounts.zoho.com", is_for_trials=True),
        _address("books_url", "Address of the books", "https://www.zohoapis.com", "zohoapis.com", is_for_trials=True),
    ),
    "",
    has_environments=False,
    needs_consent=True,
)  # fmt: skip
PROVIDERS: Mapping[str, Provider] = {p.name: p for p in (CASHFREE, PHONEPE, ZOHO)}
# Half of such a pair is of no use.
PAIRS = (("verification_client_id", "verification_client_secret"), ("webhook_username", "webhook_password"))


class InvalidKeys(Invalid):
    """Several things are wrong at once; `problems` has one for each field, the first one is this error's own."""

    def __init__(self, problems: list[Invalid]) -> None:
        first = problems[0]
        super().__init__(first.field, first.reason, first.example)
        self.problems = problems


def problem_of(provider: Provider, part: Part, value: str, *, is_trial: bool) -> Invalid | None:
    """What is wrong with an entered value; None when nothing is."""
    if part.is_for_trials and not is_trial:
        return Invalid(part.name, "Leave this address empty: the data centre says where.")
    if part.is_address:
        domain = part.domain or provider.domain
        if is_allowed_address(value, domain, is_trial=is_trial):
            return None
        return Invalid(part.name, f"{part.wrong} (a host under {domain}).", part.example)
    if len(value) > _LONGEST or not re.fullmatch(part.pattern, value):
        return Invalid(part.name, f"{part.wrong}.", part.example)
    return None


def is_allowed_address(address: str, domain: str, *, is_trial: bool) -> bool:
    """Whether keys may be sent to an address: https under the provider's domain, in trials also this machine."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if len(address) > 200 or not address.isascii() or re.search(r"[\s\\]", address):
        return False
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return False
    if is_trial and parts.scheme == "http" and host in _LOOPBACK:
        return True
    is_theirs = host == domain or host.endswith(f".{domain}")
    return parts.scheme == "https" and is_theirs and port in (None, 443)


def merged(
    provider: Provider, typed: Mapping[str, str], kept: Mapping[str, str], removed: Collection[str]
) -> dict[str, str]:
    """What the account consists of now: what was typed, and of secrets left empty what was there before."""
    values: dict[str, str] = {}
    for part in provider.parts:
        value = (typed.get(part.name) or "").strip()
        if not value and part.is_secret and part.name not in removed:
            value = kept.get(part.name, "")
        if value:
            values[part.name] = value
    old = kept.get(OLD_SECRET, "")
    if is_another_account(provider, values, kept) or OLD_SECRET in removed:
        old = ""
    elif kept.get("client_secret") and kept["client_secret"] != values.get("client_secret"):
        old = kept["client_secret"]
    if old and provider is CASHFREE:
        values[OLD_SECRET] = old
    if provider.needs_consent and kept.get(REFRESH_TOKEN) and not is_another_account(provider, values, kept):
        values[REFRESH_TOKEN] = kept[REFRESH_TOKEN]
    return values


def is_another_account(provider: Provider, values: Mapping[str, str], kept: Mapping[str, str]) -> bool:
    """Whether the values name another account at the provider than before."""
    names = [part.name for part in provider.parts if part.names_the_account]
    return bool(kept) and any(values.get(name, "") != kept.get(name, "") for name in names)


def problems(
    provider: Provider, environment: str, values: Mapping[str, str], *, is_trial: bool, is_demo: bool
) -> list[Invalid]:
    """Everything that is wrong with an account, one problem for each field."""
    found: list[Invalid] = []
    if environment not in ENVIRONMENTS:
        found.append(
            Invalid("environment", "The environment is one of two words: sandbox or production.", "sandbox")
        )
    elif is_demo and provider.has_environments and environment != SANDBOX:
        found.append(Invalid("environment", "A demo moves no money, so it uses the sandbox.", "sandbox"))
    for part in provider.parts:
        value = values.get(part.name, "")
        if not value:
            if part.is_required:
                found.append(
                    Invalid(part.name, f"Enter the {part.label[0].lower()}{part.label[1:]}.", part.example)
                )
            continue
        if problem := problem_of(provider, part, value, is_trial=is_trial):
            found.append(problem)
    for pair in PAIRS:
        here = [name for name in pair if name in {part.name for part in provider.parts}]
        missing = [name for name in here if not values.get(name)]
        if 0 < len(missing) < len(here):
            part = provider.part(missing[0])
            said = f"Enter the {part.label[0].lower()}{part.label[1:]} too, or remove both."
            found.append(Invalid(part.name, said, part.example))
    return found


def mask(client_id: str) -> str:
    """The end of a client id, for people."""
    return f"••{client_id[-4:]}" if len(client_id) > 4 else "••"

"""The chart of accounts as data: what an account code means. Pure: no database, no Flask."""

from __future__ import annotations

from dataclasses import dataclass

DEBIT, CREDIT = 1, -1
NORMAL_SIDES = {"asset": DEBIT, "expense": DEBIT, "liability": CREDIT, "income": CREDIT, "equity": CREDIT}
TYPE_LABELS = {
    "asset": "Assets",
    "liability": "Liabilities",
    "income": "Income",
    "expense": "Expenses",
    "equity": "Equity",
}


@dataclass(frozen=True)
class AccountDefinition:
    """What an account is. `minimum_minor` is on the normal side; None means that there is no limit."""

    code: str
    type: str
    name: str
    minimum_minor: int | None

    @property
    def normal_side(self) -> int:
        """1 when debits increase the balance, -1 when credits do."""
        return NORMAL_SIDES[self.type]


@dataclass(frozen=True)
class Template:
    """What all accounts of one code, or of one code before the colon, have in common."""

    type: str
    name: str
    minimum_minor: int | None = None
    takes_suffix: bool = False


# The bank account and what is in transit have no minimum here: the bank's own funding is not always booked, and
# transfers under way are a credit balance of `in_transit`. What belongs to others never goes below zero.
ACCOUNTS = {
    "bank": Template("asset", "Bank"),
    "collections": Template("asset", "Collections at the gateway"),
    "in_transit": Template("asset", "Transfers in transit"),
    "payable": Template("liability", "Payable to", minimum_minor=0, takes_suffix=True),
    "wallet": Template("liability", "Wallet of", minimum_minor=0, takes_suffix=True),
    "held": Template("liability", "Held for", minimum_minor=0, takes_suffix=True),
    "receivable": Template("asset", "Receivable from", takes_suffix=True),
    "earnings": Template("liability", "Earnings of", takes_suffix=True),
    "tax_withheld": Template("liability", "Tax withheld"),
    # What drivers left as a security, and what was lent to them.
    "deposit": Template("liability", "Deposit of", minimum_minor=0, takes_suffix=True),
    "loan": Template("asset", "Loan to", takes_suffix=True),
    # Rent that came in and is not shared out yet; what is kept back for a property; what its bills are paid from.
    "rent_received": Template("liability", "Rent received, to be shared out", minimum_minor=0),
    "reserve": Template("liability", "Reserve of", minimum_minor=0, takes_suffix=True),
    "bills_payable": Template("liability", "Bills of properties to pay"),
    # What tenants paid beyond a month's rent; it pays their next ones.
    "tenant_credit": Template("liability", "Credit of", minimum_minor=0, takes_suffix=True),
    "tax_on_fees": Template("liability", "Tax on fees"),
    "income": Template("income", "Income from", takes_suffix=True),
    "expense": Template("expense", "Expense of", takes_suffix=True),
    "opening": Template("equity", "Opening balances"),
    # What corrections book against: the organisation's own money, and what nobody knows yet.
    "funding": Template("equity", "Own money put in and taken out"),
    "suspense": Template("liability", "Suspense: not known yet"),
    # The counterpart of exchange differences: the books of each currency balance in themselves.
    "exchange": Template("equity", "Value of amounts in other currencies"),
}


def account_for(code: str) -> AccountDefinition:
    """The definition behind a code such as "bank" or "payable:TE-0007". Raises ValueError for an unknown one."""
    prefix, separator, suffix = code.partition(":")
    template = ACCOUNTS.get(prefix)
    if template is None or bool(separator) != template.takes_suffix or (separator and not suffix.strip()):
        raise ValueError(f"there is no account with the code {code!r} in the chart")
    if not code.isprintable() or len(code) > 120:
        raise ValueError(f"{code!r} cannot be an account code")
    name = f"{template.name} {suffix.replace('_', ' ')}" if suffix else template.name
    return AccountDefinition(code, template.type, name, template.minimum_minor)

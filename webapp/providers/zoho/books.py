"""The bookkeeper "zoho": what is asked of Zoho Books, and what is believed of its answers.

An answer that names another number, vendor or amount than ours is not believed: it counts as no answer, and the record
is looked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webapp.kernel.money import Money, exponent
from webapp.providers import http
from webapp.providers.accounts import Access
from webapp.providers.bookkeeping import (
    Account,
    Bill,
    BillOrder,
    BooksError,
    Organisation,
    Payment,
    PaymentOrder,
    Trouble,
    Vendor,
)
from webapp.providers.zoho import client

# So many pages of a list are read; 200 rows each.
_MOST_PAGES = 20
_MODE = "Bank Transfer"


def _text(value: Any, most: int = 200) -> str:
    """A text of Zoho's; ids come as texts, in some answers as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value[:most] if isinstance(value, str) else ""


def _strange(what: str) -> BooksError:
    return BooksError(Trouble.UNKNOWN, f"Zoho's answer cannot be believed: {what}.")


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, Mapping):
        raise _strange(f"it has no {name}")
    return found


class ZohoBooks:
    """The books `organisation` behind an account; `before` is asked before each call."""

    def __init__(
        self, access: Access, organisation: str = "", before: Callable[[], None] = lambda: None
    ) -> None:
        self._access, self._organisation, self._before = access, organisation, before

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> Mapping[str, Any]:
        return client.call(
            self._access,
            method,
            path,
            organisation=self._organisation,
            body=body,
            before=self._before,
            **query,
        )

    def _list(self, path: str, name: str, **query: str) -> list[Mapping[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[Mapping[str, Any]] = []
        for page in range(1, _MOST_PAGES + 1):
            body = self._call("GET", path, None, **query, page=str(page), per_page="200")
            found = body.get(name)
            if not isinstance(found, list):
                raise _strange(f"it has no {name}")
            rows += [row for row in found if isinstance(row, Mapping)]
            context = body.get("page_context")
            if not isinstance(context, Mapping) or context.get("has_more_page") is not True:
                return rows
        return rows

    # ------------------------------------------------------------ what there is

    def organisations(self) -> list[Organisation]:
        """The books that the consent reaches."""
        body = client.call(self._access, "GET", "organizations", before=self._before)
        found = body.get("organizations")
        rows = found if isinstance(found, list) else []
        return [
            Organisation(
                _text(row.get("organization_id")), _text(row.get("name")), _text(row.get("currency_code"), 3)
            )
            for row in rows
            if isinstance(row, Mapping) and _text(row.get("organization_id")).isdigit()
        ]

    def accounts(self) -> list[Account]:
        """The accounts of the books."""
        return [
            Account(
                _text(row.get("account_id")),
                _text(row.get("account_name")),
                _text(row.get("account_type"), 60),
            )
            for row in self._list("chartofaccounts", "chartofaccounts")
            if _text(row.get("account_id")).isdigit() and row.get("is_active", True) is not False
        ]

    def _currency_id(self, currency: str) -> str:
        for row in self._list("settings/currencies", "currencies"):
            if row.get("currency_code") == currency:
                return _text(row.get("currency_id"))
        raise BooksError(
            Trouble.REFUSED,
            f"Zoho Books has no currency {currency}. Add it there under Settings, Currencies.",
        )

    # ------------------------------------------------------------ vendors

    def vendors_named(self, name: str) -> list[Vendor]:
        """Vendors of a display name."""
        rows = self._list("contacts", "contacts", contact_type="vendor", contact_name=name)
        return [
            _vendor(row)
            for row in rows
            if _text(row.get("contact_name")).casefold() == name.casefold()
            and row.get("contact_type") == "vendor"
        ]

    def has_vendor(self, vendor_id: str) -> bool:
        """Whether there is a vendor of an id."""
        try:
            self._call("GET", f"contacts/{vendor_id}")
        except BooksError as error:
            if error.trouble is Trouble.MISSING:
                return False
            raise
        return True

    def add_vendor(self, name: str, currency: str, notes: str) -> Vendor:
        """A new vendor."""
        body = self._call("POST", "contacts", {
            "contact_name": name, "contact_type": "vendor", "currency_id": self._currency_id(currency),
            "notes": notes,
        })  # fmt: skip
        made = _vendor(_object(body, "contact"))
        if made.name.casefold() != name.casefold():
            raise _strange("it names another vendor")
        return made

    # ------------------------------------------------------------ bills

    def bill_numbered(self, number: str) -> Bill | None:
        """The bill of a number, void ones too."""
        for row in self._list("bills", "bills", bill_number=number):
            if row.get("bill_number") == number:
                return _bill(row)
        return None

    def bill(self, bill_id: str) -> Bill:
        """A bill by its id."""
        return _bill(_object(self._call("GET", f"bills/{bill_id}"), "bill"))

    def add_bill(self, order: BillOrder) -> Bill:
        """A new bill, which is owed from now on."""
        body = self._call("POST", "bills", {
            "vendor_id": order.vendor_id, "bill_number": order.number, "reference_number": order.mark,
            "date": order.day.isoformat(), "due_date": order.due_day.isoformat(), "notes": order.notes,
            "line_items": [
                {"account_id": order.account_id, "name": line.name[:100], "description": line.description[:1000],
                 "rate": Money(line.amount_minor, order.currency).decimal, "quantity": 1}
                for line in order.lines
            ],
        })  # fmt: skip
        made = _bill(_object(body, "bill"))
        said = (made.number, made.mark, made.vendor_id, made.total_minor)
        if said != (order.number, order.mark, order.vendor_id, order.total_minor):
            raise _strange("it names another bill")
        return made

    def void_bill(self, bill_id: str) -> None:
        """A bill counts no more."""
        self._call("POST", f"bills/{bill_id}/status/void")

    # ------------------------------------------------------------ payments

    def payments(self, vendor_id: str, reference: str, currency: str) -> list[Payment]:
        """Payments to a vendor with a reference."""
        rows = self._list("vendorpayments", "vendorpayments", vendor_id=vendor_id, reference_number=reference)
        found = [_payment(row, currency) for row in rows]
        return [each for each in found if (each.vendor_id, each.reference) == (vendor_id, reference)]

    def payment(self, payment_id: str, currency: str) -> Payment:
        """A payment by its id, with the bills that it pays."""
        return _payment(_object(self._call("GET", f"vendorpayments/{payment_id}"), "vendorpayment"), currency)

    def add_payment(self, order: PaymentOrder) -> Payment:
        """A new payment of one bill."""
        amount = Money(order.amount_minor, order.currency).decimal
        body = self._call("POST", "vendorpayments", {
            "vendor_id": order.vendor_id, "amount": amount, "date": order.day.isoformat(), "payment_mode": _MODE,
            "reference_number": order.reference, "paid_through_account_id": order.paid_through_id,
            "bills": [{"bill_id": order.bill_id, "amount_applied": amount}],
        })  # fmt: skip
        made = _payment(_object(body, "vendorpayment"), order.currency)
        if (made.reference, made.amount_minor) != (order.reference, order.amount_minor):
            raise _strange("it names another payment")
        return made

    def delete_payment(self, payment_id: str) -> None:
        """A payment is taken back."""
        self._call("DELETE", f"vendorpayments/{payment_id}")


def _vendor(row: Mapping[str, Any]) -> Vendor:
    found = Vendor(
        _text(row.get("contact_id")), _text(row.get("contact_name")), _text(row.get("currency_code"), 3)
    )
    if not found.id.isdigit():
        raise _strange("a vendor without an id")
    return found


def _bill(row: Mapping[str, Any]) -> Bill:
    currency = _text(row.get("currency_code"), 3)
    try:
        places = exponent(currency)
    except ValueError:
        raise _strange("a bill without a currency") from None
    total, balance = http.minor_of(row.get("total"), places), http.minor_of(row.get("balance"), places)
    bill_id = _text(row.get("bill_id"))
    if total is None or balance is None or not bill_id.isdigit():
        raise _strange("a bill without an id or an exact amount")
    return Bill(
        bill_id, _text(row.get("bill_number")), _text(row.get("vendor_id")), currency, total, balance,
        row.get("status") == "void", _text(row.get("reference_number")),
    )  # fmt: skip


def _payment(row: Mapping[str, Any], currency: str) -> Payment:
    amount, payment_id = http.minor_of(row.get("amount"), exponent(currency)), _text(row.get("payment_id"))
    if amount is None or not payment_id.isdigit():
        raise _strange("a payment without an id or an exact amount")
    given = row.get("bills")
    bills = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    return Payment(
        payment_id, _text(row.get("vendor_id")), _text(row.get("reference_number")), amount,
        frozenset(_text(each.get("bill_id")) for each in bills),
    )  # fmt: skip

"""The addresses below `/books/v3`: everything answers in Zoho's envelope, `code` 0 for success.

Who is let in: a live access token whose scopes allow the call, an organisation that is theirs, within its limits of
calls for a minute and for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from sqlite3 import Row
from typing import Any

from flask import Blueprint, Response, request

from webapp.simulator import calls
from webapp.simulator.calls import Call
from webapp.simulator.core import Said, Simulator, the_simulator
from webapp.simulator.faults import Hits, Kind
from webapp.simulator.zoho import books
from webapp.simulator.zoho.books import ACCOUNTS, CURRENCIES, ORGANISATIONS
from webapp.simulator.zoho.check import Refused, error, json_object
from webapp.simulator.zoho.oauth import ALL_SCOPES, NAME

_SCHEME = "Zoho-oauthtoken "
_METHODS = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}
_SCOPES = {"contacts": "contacts", "bills": "bills", "vendorpayments": "vendorpayments"}
_MOST_A_PAGE = 200
_SUBJECTS = {"contacts": "contact_name", "bills": "bill_number", "vendorpayments": "reference_number"}
blueprint = Blueprint("zoho_books", __name__, url_prefix="/books/v3")
# What is said to one call too many: in a minute, in a day.
_TOO_MANY = (
    (44, "For security reasons you have been blocked for some time as you have exceeded the maximum number of requests "
     "per minute that can be requested from one account."),
    (45, "You have exceeded the maximum call rate limit for this organization."),
)  # fmt: skip


@blueprint.route("/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
def answer(rest: str) -> Response:
    """Any call of the books."""
    sim = the_simulator()
    room, _, behind = rest.partition("/")
    kind = Kind.READ if request.method == "GET" else Kind.WRITE
    client, scope = _who(sim)
    call = Call(NAME, f"books/{room}", kind, _subject(room, behind)[:200], client)
    return calls.answer(sim, call, lambda hits: _let_in(sim, client, scope, room, behind, hits))


def _subject(room: str, behind: str) -> str:
    """The caller's own name of what a call is about; may be empty."""
    name = _SUBJECTS.get(room, "")
    if request.method != "POST" or behind:
        return request.args.get(name, "") or behind
    try:
        return str(json_object(request.get_data(as_text=True)).get(name, ""))
    except Refused:
        return ""


def _who(sim: Simulator) -> tuple[str, str]:
    """Whose token it is, and what it is good for."""
    header = request.headers.get("authorization", "")
    row = sim.store.one(
        "SELECT client_id, scope FROM zoho_tokens WHERE token = ? AND expires_at > ?",
        (header.removeprefix(_SCHEME), sim.clock.now()),
    )
    if row is None or not header.startswith(_SCHEME):
        return "", ""
    return row["client_id"], row["scope"]


def _may(scope: str, room: str) -> bool:
    given = {each.strip() for each in scope.replace(" ", ",").split(",")}
    name = f"ZohoBooks.{_SCOPES.get(room, 'settings')}"
    # The list of organisations, and accounts, come with more than one scope.
    others = {"ZohoBooks.accountants.READ"} if room in ("chartofaccounts", "bankaccounts") else set()
    return bool(given & {ALL_SCOPES, f"{name}.ALL", f"{name}.{_METHODS[request.method]}", *others})


def _let_in(sim: Simulator, client: str, scope: str, room: str, behind: str, hits: Hits) -> Said:
    if not client or not _may(scope, room):
        return error(401, 57, "You are not authorized to perform this operation")
    if room == "organizations" and request.method == "GET":
        return _ok("organizations", [
            {"organization_id": each, "name": name, "currency_code": currency, "is_default_org": n == 0}
            for n, (each, (name, currency)) in enumerate(ORGANISATIONS.items())
        ])  # fmt: skip
    organisation = request.args.get("organization_id", "")
    if organisation not in ORGANISATIONS:
        return error(400, 6041, "This user is not associated with the CompanyID/CompanyName.")
    if (said := _counted(sim, organisation)) is not None:
        return said
    try:
        return _do(sim, organisation, room, behind)
    except Refused as refused:
        return refused.said


def _counted(sim: Simulator, organisation: str) -> Said | None:
    """Count a call; the answer to one too many."""
    limits = ((60.0, sim.options.zoho_requests_a_minute), (86_400.0, sim.options.zoho_requests_a_day))
    broken = sim.over((NAME, organisation, "books"), limits)
    return None if broken is None else error(429, *_TOO_MANY[broken])


def _ok(name: str, value: Any, status: int = 200, message: str = "success") -> Said:
    return Said(status, {"code": 0, "message": message, name: value})


def _do(sim: Simulator, organisation: str, room: str, behind: str) -> Said:
    method = request.method
    if (method, room, behind) in _LISTS:
        return _LISTS[method, room, behind](sim, organisation)
    if method == "POST" and not behind and room in _ADDS:
        name, add, shown = _ADDS[room]
        row = add(sim, organisation, json_object(request.get_data(as_text=True)))
        return _ok(name, shown(row), 201, f"The {name} has been created.")
    number = books.row_id(behind.partition("/")[0])
    action = behind.partition("/")[2]
    if method == "GET" and not action and room in _FINDS:
        name, find, shown = _FINDS[room]
        return _ok(name, shown(find(sim, organisation, number)))
    if (method, room, action) == ("POST", "bills", "status/void"):
        books.void_bill(sim, organisation, number)
        return Said(200, {"code": 0, "message": "The bill has been marked as void."})
    if (method, room, action) == ("DELETE", "vendorpayments", ""):
        books.delete_payment(sim, organisation, number)
        return Said(200, {"code": 0, "message": "The payment has been deleted."})
    return error(404, 5, "Invalid URL Passed")


# ---------------------------------------------------------------- lists


def _page(name: str, rows: list[Row], shown: Callable[[Row], dict[str, Any]]) -> Said:
    """A page of rows, with whether there are more."""
    page = max(1, request.args.get("page", 1, int))
    size = min(_MOST_A_PAGE, max(1, request.args.get("per_page", _MOST_A_PAGE, int)))
    part = rows[(page - 1) * size : page * size]
    context = {"page": page, "per_page": size, "has_more_page": len(rows) > page * size}
    return Said(
        200, {"code": 0, "message": "success", name: [shown(row) for row in part], "page_context": context}
    )


def _rows(
    sim: Simulator, table: str, organisation: str, columns: Mapping[str, str], more: str = ""
) -> list[Row]:
    """Rows that fit the filters of the address: name of a filter → its column."""
    wanted = {name: column for name, column in columns.items() if request.args.get(name)}
    where = " AND ".join(["organisation = ?", *(f"{column} = ?" for column in wanted.values())])
    values = [
        books.row_id(request.args[name]) if name.endswith("_id") else request.args[name] for name in wanted
    ]
    return sim.store.read(
        f"SELECT * FROM {table} WHERE {where} {more} ORDER BY id",  # noqa: S608 - our own names
        (organisation, *values),
    )


def _contacts(sim: Simulator, organisation: str) -> Said:
    rows = _rows(sim, "zoho_contacts", organisation, {"contact_name": "name", "contact_type": "type"})
    return _page("contacts", rows, books.contact_json)


def _bills(sim: Simulator, organisation: str) -> Said:
    columns = {"bill_number": "number", "reference_number": "reference", "vendor_id": "vendor_id"}
    return _page("bills", _rows(sim, "zoho_bills", organisation, columns), books.bill_json)


def _payments(sim: Simulator, organisation: str) -> Said:
    columns = {"reference_number": "reference", "vendor_id": "vendor_id"}
    rows = _rows(sim, "zoho_payments", organisation, columns, "AND is_deleted = 0")
    return _page("vendorpayments", rows, books.payment_json)


def _accounts(sim: Simulator, organisation: str) -> Said:
    rows = [
        {"account_id": books.account_id(organisation, ending), "account_name": name, "account_type": kind,
         "is_active": True}
        for ending, name, kind in ACCOUNTS
    ]  # fmt: skip
    context = {"page": 1, "per_page": _MOST_A_PAGE, "has_more_page": False}
    return Said(200, {"code": 0, "message": "success", "chartofaccounts": rows, "page_context": context})


def _currencies(sim: Simulator, organisation: str) -> Said:
    return _ok("currencies", [
        {"currency_id": books.currency_id(organisation, code), "currency_code": code, "price_precision": 2,
         "is_base_currency": code == ORGANISATIONS[organisation][1]}
        for code in CURRENCIES
    ])  # fmt: skip


_LISTS: dict[tuple[str, str, str], Callable[[Simulator, str], Said]] = {
    ("GET", "contacts", ""): _contacts,
    ("GET", "bills", ""): _bills,
    ("GET", "vendorpayments", ""): _payments,
    ("GET", "chartofaccounts", ""): _accounts,
    ("GET", "settings", "currencies"): _currencies,
}
_ADDS: dict[str, tuple[str, Callable[..., Row], Callable[[Row], dict[str, Any]]]] = {
    "contacts": ("contact", books.add_contact, books.contact_json),
    "bills": ("bill", books.add_bill, books.bill_json),
    "vendorpayments": ("vendorpayment", books.add_payment, books.payment_json),
}
_FINDS: dict[str, tuple[str, Callable[..., Row], Callable[[Row], dict[str, Any]]]] = {
    "contacts": ("contact", books.find_contact, books.contact_json),
    "bills": ("bill", books.find_bill, books.bill_json),
    "vendorpayments": ("vendorpayment", books.find_payment, books.payment_json),
}

"""Customers, appointments and invoices of a clinic for tests, made through the services and committed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from tests.factories import people
from tests.factories.people import FACTORY, stored
from webapp.people.models import Organisation, Payee
from webapp.programs.clinic import commission_rules, customers, invoicing, paying, payments, settings, wallets
from webapp.programs.clinic.drafts import (
    AppointmentDraft,
    CustomerDraft,
    InvoiceDraft,
    LineDraft,
    RuleDraft,
    SettingsDraft,
    Share,
)
from webapp.programs.clinic.models import (
    Appointment,
    ClinicSettings,
    CommissionRuleVersion,
    Customer,
    Invoice,
)

_numbers = count(1)
WHEN = datetime(2026, 11, 10, 15, 0, tzinfo=UTC)
DAY = date(2026, 11, 10)


def carepoint(**values: Any) -> Organisation:
    """A clinic in Toronto."""
    defaults: dict[str, Any] = {
        "currency": "CAD", "timezone": "America/Toronto", "country": "CA", "programs": ["clinic"],
    }  # fmt: skip
    return people.organisation(**{**defaults, **values})


def practitioner(organisation: Organisation, **values: Any) -> Payee:
    """A practitioner without payment details."""
    return people.payee(organisation, kind="practitioner", **values)


def customer(organisation: Organisation, name: str = "Alex Morgan") -> Customer:
    """A customer."""
    with stored():
        return customers.create_customer(
            organisation_id=organisation.id, draft=CustomerDraft(name), actor=FACTORY, now=WHEN
        )


def appointment(
    organisation: Organisation, practitioners: Sequence[Payee | tuple[Payee, int]], **values: Any
) -> Appointment:
    """An appointment; the first practitioner is the primary one."""
    with stored():
        shares = tuple(
            Share(each[0].id, each[1], n == 0) if isinstance(each, tuple) else Share(each.id, 1, n == 0)
            for n, each in enumerate(practitioners)
        )
        for_whom = values.pop("customer", None) or customer(organisation)
        draft = AppointmentDraft(for_whom.id, values.pop("starts_at", WHEN), shares, **values)
        return customers.create_appointment(
            organisation_id=organisation.id, draft=draft, actor=FACTORY, now=WHEN
        )


def invoice(
    organisation: Organisation,
    about: Appointment | Sequence[Payee] | None = None,
    amount_minor: int = 100_00,
    *,
    tax_percent: Decimal = Decimal(0),
    **values: Any,
) -> Invoice:
    """An invoice of one line for an appointment, or (without one) for an order; practitioners get an appointment."""
    with stored():
        if about is not None and not isinstance(about, Appointment):
            about = appointment(organisation, about)
        draft = InvoiceDraft(
            customer_id=about.customer_id if about else customer(organisation).id,
            lines=(LineDraft("Visit", amount_minor, tax_percent=tax_percent),),
            issued_on=DAY,
            about="appointment" if about else "order",
            appointment_id=about.id if about else None,
            **values,
        )
        return invoicing.create_invoice(organisation_id=organisation.id, draft=draft, actor=FACTORY, now=WHEN)


def pay(row: Invoice, amount_minor: int | None = None, method: str = "gateway", **values: Any) -> Any:
    """Record a payment; all that is left, unless told otherwise."""
    with stored():
        return payments.record_payment(
            organisation_id=row.organisation_id,
            number=row.number,
            amount_minor=row.remaining_minor if amount_minor is None else amount_minor,
            method=method,
            happened_on=DAY,
            **{"actor": FACTORY, "now": WHEN, **values},
        )


def paid(organisation: Organisation, about: Any, amount_minor: int = 100_00, **values: Any) -> Invoice:
    """An invoice that is paid in full."""
    with stored():
        row = invoice(organisation, about, amount_minor, **values)
        pay(row)
        return row


def pay_out(row: Invoice) -> paying.Made:
    """Press *Create payout*."""
    with stored():
        return paying.create_payout(
            organisation_id=row.organisation_id, number=row.number, actor=FACTORY, now=WHEN
        )


def rule(organisation: Organisation, name: str = "Rule", **values: Any) -> CommissionRuleVersion:
    """A commission rule in force."""
    with stored():
        return commission_rules.create_rule(
            organisation_id=organisation.id, draft=RuleDraft(name, **values), actor=FACTORY, now=WHEN
        )


def set_up(organisation: Organisation, **values: Any) -> ClinicSettings:
    """The settings of the program."""
    with stored():
        return settings.change_settings(
            organisation_id=organisation.id, draft=SettingsDraft(**values), actor=FACTORY, now=WHEN
        )


def holds(organisation: Organisation, payee: Payee | None = None) -> int:
    """What a practitioner's wallet holds, or the clinic's."""
    code = wallets.code_of(payee) if payee else wallets.CLINIC
    return wallets.balance(organisation.id, code, organisation.currency)

"""Clinic: the addresses of the admins' pages."""

from __future__ import annotations

from flask import Blueprint

from webapp.programs.clinic import work  # noqa: F401 - registers the program with the engine
from webapp.programs.clinic.views import commission, invoices, overview, paying, people, wallets

blueprint = Blueprint("clinic", __name__, url_prefix="/clinic")
READ, FORM, ACT = ["GET"], ["GET", "POST"], ["POST"]
FILE = "export.<any(csv,xlsx):format>"
for rule, endpoint, view, methods in (
    ("", "index", overview.index, READ),
    ("/settings", "settings", overview.settings, FORM),
    ("/invoices", "invoices", invoices.index, READ),
    (f"/invoices/{FILE}", "invoices_export", invoices.export, READ),
    ("/invoices/new", "create_invoice", invoices.create, FORM),
    ("/invoices/payouts", "pay_many", paying.pay_many, ACT),
    ("/invoices/payouts/<reference>", "check_many", paying.check_many, READ),
    ("/invoices/payouts/<reference>/confirm", "confirm_many", paying.confirm_many, ACT),
    ("/invoices/<number>", "invoice", invoices.show, READ),
    ("/invoices/<number>/transactions", "transactions", invoices.transactions, READ),
    ("/invoices/<number>/payment", "record_payment", paying.record, FORM),
    ("/invoices/<number>/payout", "create_payout", paying.create_payout, FORM),
    ("/invoices/<number>/refund", "refund", paying.refund, FORM),
    ("/invoices/<number>/write-off", "write_off", paying.write_off, FORM),
    ("/invoices/<number>/decision", "decide", paying.decide, FORM),
    ("/transactions/<reference>/proof", "proof", paying.proof, READ),
    ("/customers", "customers", people.index, READ),
    ("/customers/new", "create_customer", people.create_customer, FORM),
    ("/customers/<reference>/edit", "edit_customer", people.edit_customer, FORM),
    ("/appointments", "appointments", people.appointments, READ),
    ("/appointments/new", "create_appointment", people.create_appointment, FORM),
    ("/appointments/<reference>/edit", "edit_appointment", people.edit_appointment, FORM),
    ("/appointments/<reference>/cancel", "cancel_appointment", people.cancel_appointment, FORM),
    ("/wallets", "wallets", wallets.index, READ),
    ("/wallets/<int:account_id>", "wallet", wallets.show, READ),
    ("/wallets/<int:account_id>/adjust", "adjust_wallet", wallets.adjust, FORM),
    ("/deductions", "deductions", wallets.list_deductions, READ),
    ("/deductions/new", "add_deduction", wallets.add_deduction, FORM),
    ("/deductions/<int:deduction_id>/end", "end_deduction", wallets.end_deduction, FORM),
    ("/rules", "rules", commission.index, READ),
    ("/rules/new", "create_rule", commission.create, FORM),
    ("/rules/<int:rule_id>", "rule", commission.show, READ),
    ("/rules/<int:rule_id>/edit", "revise_rule", commission.revise, FORM),
    ("/rules/<int:rule_id>/accept", "accept_rule", commission.accept, FORM),
    ("/rules/<int:rule_id>/refuse", "refuse_rule", commission.refuse, FORM),
    ("/rules/<int:rule_id>/withdraw", "withdraw_rule", commission.withdraw, FORM),
    ("/rules/<int:rule_id>/end", "end_rule", commission.end, FORM),
):
    blueprint.add_url_rule(rule, endpoint, view, methods=methods)

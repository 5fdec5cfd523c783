"""From a paid invoice to the practitioner's wallet: what would be paid, and the one call that pays."""

from __future__ import annotations

from typing import Any, Literal, cast

from webapp.api import clinic_queries
from webapp.api.bearer import Caller
from webapp.api.operations import Resource
from webapp.api.problems import Problem
from webapp.api.resources.payout_words import payout_of
from webapp.api.schemas.clinic_money import PayoutPart, PayoutQuote, PayoutsMade, Refusal
from webapp.api.schemas.common import Amount, PayeeRef
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import BelowMinimum, Conflict
from webapp.people.access.tokens import Scope
from webapp.programs.clinic import paying, planning
from webapp.programs.clinic.paying import Made
from webapp.programs.clinic.planning import Part

resource = Resource(
    "invoice_payouts",
    "/invoices",
    title="Payouts of invoices",
    about="One call, one payout, however often it is sent: it leaves the clinic's wallet for the practitioner's, and "
    "the commission stays. The guards look in this order, each with its own `code`: `not-paid`; there is a payout "
    "(200 with it); `not-an-appointment`; `no-practitioner`; `nothing-left`; `wallet-too-low`.",
)
#: Which guard refused -> the code of the problem.
GUARDS: tuple[tuple[type[Conflict], str], ...] = (
    (planning.NotPaid, "not-paid"),
    (planning.NotAnAppointment, "not-an-appointment"),
    (planning.NoPractitioner, "no-practitioner"),
    (planning.NothingLeft, "nothing-left"),
    (planning.WalletTooLow, "wallet-too-low"),
    # The ledger's own word, when somebody else emptied the wallet at the same moment.
    (BelowMinimum, "wallet-too-low"),
)
Code = Literal[
    "not-paid", "not-an-appointment", "no-practitioner", "nothing-left", "wallet-too-low", "conflict"
]


def code_of(error: Conflict) -> Code:
    """The code of the guard that refused; `conflict` for any other reason."""
    return cast(Code, next((code for kind, code in GUARDS if isinstance(error, kind)), "conflict"))


def part_fields(part: Part) -> dict[str, Any]:
    """What one practitioner would get."""
    currency = part.cut.base.currency
    return {
        "practitioner": PayeeRef.of(part.payee),
        "weight": part.weight,
        **{
            name: Amount.of(getattr(part.cut, name).amount, currency)
            for name in ("base", "commission", "amount")
        },
        "percent": part.percent,
        "rule": part.rule.label,
    }


@resource.get("/<number>/payout-quote", summary="See what a payout would do", answers=PayoutQuote,
              scope=Scope.PAYOUTS_CREATE)  # fmt: skip
def quote(who: Caller, number: str) -> PayoutQuote:
    """Who would get how much by which rule, or which guard stands in the way. Nothing is changed."""
    number = clinic_queries.invoice(who.viewer, number).number
    try:
        plan = paying.plan_payout(organisation_id=who.organisation_id, number=number)
    except Conflict as error:
        refusal = Refusal(code=code_of(error), detail=error.message)
        return PayoutQuote(invoice=number, refusal=refusal, existing=[], sentence="", base=None, parts=[])
    if isinstance(plan, Made):
        existing = [payout_of(payout, who) for payout in plan.payouts]
        return PayoutQuote(
            invoice=number, refusal=None, existing=existing, sentence=plan.message, base=None, parts=[]
        )
    return PayoutQuote(
        invoice=number,
        refusal=None,
        existing=[],
        sentence=plan.sentence,
        base=Amount.of(plan.base.amount, plan.base.currency),
        parts=[PayoutPart(**part_fields(part)) for part in plan.parts],
    )


@resource.post("/<number>/create-payout", summary="Pay out an invoice", answers=PayoutsMade, status=201,
               location="/payouts/{payouts[0][reference]}", repeats=True, scope=Scope.PAYOUTS_CREATE)  # fmt: skip
def create(who: Caller, number: str) -> PayoutsMade:
    """Pay the invoice's practitioners into their wallets; where the policy asks for it, after an approval.

    201 when it is made. Where there is a payout already, 200 with that one, and `is_repeat` says so. A guard that
    refuses answers 409 with its sentence and its `code`; nothing is changed.
    """
    number = clinic_queries.invoice(who.viewer, number).number
    try:
        made = paying.create_payout(
            organisation_id=who.organisation_id, number=number, actor=who.actor, now=utc_now()
        )
    except Conflict as error:
        if (code := code_of(error)) != "conflict":
            raise Problem(code, error.message) from error
        raise
    return PayoutsMade(
        message=made.message,
        is_repeat=made.is_repeat,
        invoice=number,
        payouts=[payout_of(payout, who) for payout in made.payouts],
    )

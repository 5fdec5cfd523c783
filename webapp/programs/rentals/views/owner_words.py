"""What an owner reads about a rent: where the money is, what was taken from it, what happened and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import g

from webapp.kernel.money import Money
from webapp.payouts.models import Payout
from webapp.payouts.views import words
from webapp.payouts.views.words import Status
from webapp.programs.rentals import owner_queries as queries
from webapp.programs.rentals.models import Lease, Property, RentCharge
from webapp.programs.rentals.owner_queries import OwnRent
from webapp.web import filters
from webapp.web.i18n import N_, gettext

DEDUCTION_LABELS = {
    "fee": N_("Management fee"),
    "fee_tax": N_("Tax on the fee"),
    "withheld": N_("Tax withheld"),
    "bills": N_("Bills of the property"),
    "reserve": N_("Kept for the property's reserve"),
}


def share_words(mine: int, total: int) -> str:
    """A share of a property: "60 %", "1 of 3"."""
    hundredths, rest = divmod(mine * 10_000, total or 1)
    if rest:
        return gettext("%(part)s of %(total)s", part=mine, total=total)
    return f"{hundredths // 100}.{hundredths % 100:02d} %".replace(".00 %", " %")


def own_share(place: Property, payee_id: int) -> str:
    """The payee's share of a property in words."""
    mine, total = queries.weight_of(place, payee_id)
    return share_words(mine, total) if mine else gettext("None any more")


def share_of(rent: OwnRent) -> str:
    """The share that counted when a rent was worked out, in words."""
    weights = [share.weight for share in rent.share.distribution.shares]
    return share_words(rent.share.weight, sum(weights))


def status(rent: OwnRent) -> Status:
    """Where the owner's part of a rent is: the payout's words, or why there is no payout."""
    payer = g.organisation.name
    if rent.payout is not None:
        return words.payee_status(rent.payout, payer)
    share = rent.share
    if share.amount_minor <= share.netted_minor:
        text = N_("All of it goes against rent that went back to a tenant.")
        return Status("done", N_("Set off"), "done", text, "Nobody")
    if share.offer == "dismissed":
        text = gettext("It stays held for you. Ask %(payer)s if you do not agree.", payer=payer)
        return Status("waiting", N_("Waiting"), "waiting", text, payer)
    if share.offer == "blocked":
        text = gettext("%(payer)s looks into it before it is paid.", payer=payer)
        return Status("waiting", N_("Waiting"), "waiting", text, payer)
    text = gettext("It is held for you. %(payer)s pays it next.", payer=payer)
    return Status("waiting", N_("Waiting"), "waiting", text, payer)


def calculation(rent: OwnRent) -> list[dict[str, Any]]:
    """The owner's gross part and each deduction that there is, signed."""
    lines = [{"label": N_("Your part of the rent"), "amount": rent.money("gross")}]
    for name in queries.DEDUCTIONS:
        if rent.part[name]:
            lines.append({"label": DEDUCTION_LABELS[name], "amount": -rent.money(name)})
    if rent.share.netted_minor:
        found = queries.went_back(rent.payment.id, rent.share.payee_id)
        unsent = min(rent.share.netted_minor, sum(minor for _, _, minor in found))
        for label, minor in (
            (N_("Went back to the tenant before it was paid out"), unsent),
            (N_("Against rent that went back after it was paid out"), rent.share.netted_minor - unsent),
        ):
            if minor:
                lines.append({"label": label, "amount": Money(-minor, rent.payment.currency)})
    return lines


def to_pay(rent: OwnRent) -> Money:
    """What of the rent is paid out to the owner."""
    return Money(rent.share.amount_minor - rent.share.netted_minor, rent.payment.currency)


def charge_state(lease: Lease | None, charge: RentCharge | None) -> tuple[str, str] | None:
    """(tone, label) of this month's rent of a unit; None where nothing is asked for."""
    if lease is None or charge is None:
        return None
    return {
        "open": ("todo", N_("Not paid yet")),
        "part": ("waiting", N_("Part paid")),
        "paid": ("done", N_("Paid by the tenant")),
        "waived": ("cancelled", N_("Not asked for")),
    }[charge.state]


def story(rent: OwnRent) -> list[dict[str, Any]]:
    """What happened to a rent before and beside its payout, oldest first."""
    payment = rent.payment
    place = f"{rent.place.name}, {rent.unit.name}"
    events = [
        _event(
            payment.completed_at or rent.share.distribution.created_at,
            "todo",
            N_("Rent received"),
            gettext("%(place)s, %(month)s.", place=place, month=filters.month(rent.charge.period_start)),
        ),
        _event(rent.share.distribution.created_at, "ok", N_("Your share worked out"), _worked_out(rent)),
    ]
    for returned, part, unsent in queries.went_back(payment.id, rent.share.payee_id):
        amounts = (returned.amount_minor - returned.excess_minor, part, unsent)
        events.append(
            _event(
                returned.completed_at or returned.created_at,
                "returned",
                N_("The rent went back to the tenant"),
                _went_back(*(Money(minor, returned.currency) for minor in amounts)),
            )
        )
    return events


def _event(at: datetime, tone: str, title: str, text: str) -> dict[str, Any]:
    return {"at": at, "tone": tone, "title": title, "who": None, "text": text}


def _worked_out(rent: OwnRent) -> str:
    gross, taken, net = (filters.money(rent.money(name)) for name in ("gross", "taken", "net"))
    if rent.part["gross"] == rent.part["net"]:
        return gettext("%(gross)s, nothing is taken from it.", gross=gross)
    return gettext(
        "%(gross)s less %(taken)s for fee, tax, bills and reserve leaves %(net)s.",
        gross=gross,
        taken=str(taken).lstrip("-\N{MINUS SIGN}"),
        net=net,
    )


def _went_back(amount: Money, part: Money, unsent: Money) -> str:
    if not part.amount:
        return gettext("%(amount)s, none of it from you.", amount=filters.money(amount))
    if unsent == part:
        return gettext(
            "%(amount)s, of which %(part)s was yours. It had not been paid out to you yet, and is not.",
            amount=filters.money(amount),
            part=filters.money(part),
        )
    if unsent.amount:
        return gettext(
            "%(amount)s, of which %(part)s was yours. %(unsent)s of that had not been paid out to you yet; the rest is "
            "taken from your next payouts.",
            amount=filters.money(amount),
            part=filters.money(part),
            unsent=filters.money(unsent),
        )
    return gettext(
        "%(amount)s, of which %(part)s was yours. It is taken from your next payouts.",
        amount=filters.money(amount),
        part=filters.money(part),
    )


def payout_story(payout: Payout) -> Sequence[dict[str, Any]]:
    """What comes before a payout in its time line."""
    rent = queries.share_of_payout(payout)
    return story(rent) if rent is not None else []

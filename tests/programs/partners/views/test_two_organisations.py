"""Two organisations with the same partners and deals: whatever one of them reads is as if the other were not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.factories import partners as factory
from tests.factories import people, tokens
from tests.factories.partners import commissions
from tests.factories.people import FACTORY, stored
from tests.programs.partners.views.words import text_of
from webapp.people.models import Organisation, Payee, User
from webapp.programs.partners import deals, disputing, exchange_rates, registering
from webapp.programs.partners.drafts import RegistrationDraft
from webapp.programs.partners.exchange_rates import RateDraft

ROOT = "/admin/partners"
PAGES = (
    "", "/payouts", "/payouts/totals", "/commissions", "/commissions/totals", "/reconciliation?period=2026-Q1",
    "/reconciliation/totals?period=2026-Q1", "/deals", "/deals/totals", "/touches", "/touches/totals",
    "/shares", "/shares/totals", "/registrations", "/registrations/totals", "/disputes", "/partners",
    "/partners/totals", "/rules", "/programs", "/exchange-rates", "/exchange-rates/totals", "/exchange-differences",
    "/calculate?period=2026-Q1",
)  # fmt: skip
FILES = (
    "/payouts/file.json", "/commissions/file.csv", "/reconciliation/file.csv?period=2026-Q1", "/deals/export.csv",
    "/touches/export.json", "/shares/export.csv", "/registrations/export.csv", "/partners/export.csv",
    "/exchange-rates.csv", "/exchange-differences.csv",
)  # fmt: skip
CALLS = (
    "partners", "partner-programs", "deals", "touchpoints", "commissions", "commissions/stats", "partner-payouts",
    "partner-payouts/stats", "partner-payouts/by-period", "partner-payouts/due?period=2026-Q1", "partner-disputes",
    "partner-registrations", "partner-commission-rules", "exchange-rates", "events",
)  # fmt: skip
OWN = ("", "/deals", "/commissions", "/registrations", "/commissions/export.csv", "/payouts")


class Twin:
    """A company, its admin, its two partners, and what they did; every twin did the same."""

    def __init__(self, slug: str) -> None:
        self.organisation: Organisation = factory.partnerbase(slug=slug, name="Partnerbase", locale="en_US")
        self.admin: User = people.user(f"dana@{slug}.example", organisation=self.organisation, role="admin")
        self.login: User = people.user(f"ada@{slug}.example", organisation=self.organisation, role="partner")
        here = self.organisation
        self.ada: Payee = factory.partner(here, name="Ada Ray", external_ref="P-1", user=self.login)
        self.ben: Payee = factory.partner(here, name="Ben Ortiz", external_ref="P-2")
        program = factory.program(here, name="Referrals", external_ref="referrals")
        paid = factory.won(program, [self.ada, self.ben], name="Acme", customer="Acme", external_ref="D-1")
        factory.calculate(here)
        waiting = factory.won(
            program, [self.ada], 400_00, name="Bistro", customer="Bistro", external_ref="D-2"
        )
        factory.deal(program, [self.ben], name="Calder", customer="Calder", external_ref="D-3")
        factory.rule(here, name="Everybody")
        self._more(program.id, paid.reference, commissions(waiting)[0].reference)

    def _more(self, program_id: int, paid: str, disputed: str) -> None:
        common = {"organisation_id": self.organisation.id, "actor": FACTORY, "now": factory.TODAY}
        with stored():
            euro = RateDraft("EUR", Decimal("1.10"), date(2026, 2, 1))
            exchange_rates.enter(draft=euro, **common)  # type: ignore[arg-type]
            draft = RegistrationDraft(program_id, "Delta", "USD", 1_000_00)
            registering.register(payee_id=self.ada.id, draft=draft, **common)  # type: ignore[arg-type]
            disputing.raise_dispute(payee_id=self.ada.id, reference=disputed, reason="More", **common)  # type: ignore[arg-type]
            deals.lose_deal(reference=paid, reason="It was paid back.", **common)  # type: ignore[arg-type]


def plain(text: str) -> str:
    """Without the moment at which something was made."""
    return re.sub(r"As of [^.]*\.|\d{4}-\d\d-\d\dT[0-9:.+]*Z?|[a-z]+@[a-z-]+\.example", "", text)


def read(app: Flask, twin: Twin) -> Iterator[tuple[str, str]]:
    """Everything that an admin, a program and a partner of a company read: (address, words)."""
    admin: FlaskClient = app.test_client()
    people.sign_in(admin, twin.admin, twin.organisation)
    for path in PAGES:
        yield path, text_of(admin.get(ROOT + path).text)
    for path in FILES:
        yield path, admin.get(ROOT + path).text
    token = tokens.token(twin.admin, twin.organisation)
    for path in CALLS:
        yield path, app.test_client().get(f"/api/v1/{path}", headers=tokens.headers(token)).text
    partner: FlaskClient = app.test_client()
    people.sign_in(partner, twin.login, twin.organisation)
    for path in OWN:
        yield f"/partner{path}", text_of(partner.get(f"/partner{path}").text)


@pytest.fixture
def first(database: Flask) -> Twin:
    """The company whose people read."""
    return Twin("first")


def test_a_twin_changes_nothing(database: Flask, first: Twin) -> None:
    before = {path: plain(words) for path, words in read(database, first)}
    Twin("second")
    after = {path: plain(words) for path, words in read(database, first)}
    assert [path for path in before if before[path] != after[path]] == []


def test_the_trail_of_a_twin_is_its_own(database: Flask, first: Twin) -> None:
    """By itself: who takes a file is written into it."""
    admin: FlaskClient = database.test_client()
    people.sign_in(admin, first.admin, first.organisation)
    before = text_of(admin.get(f"{ROOT}/activity").text)
    Twin("second")
    assert plain(text_of(admin.get(f"{ROOT}/activity").text)) == plain(before)


def test_there_is_something_to_read(database: Flask, first: Twin) -> None:
    """Otherwise the comparison would say nothing."""
    words = dict(read(database, first))
    assert all(
        "Ada Ray" in words[path] for path in ("/payouts", "/commissions", "/shares", "/partners/export.csv")
    )
    assert words["deals"].count('"reference"') >= 3
    assert "Acme" in words["/partner/deals"]

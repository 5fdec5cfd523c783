"""Words that lists of payees share: what comes first, periods, counts."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask, g

from tests.factories import people
from webapp.people.models import Organisation
from webapp.web import filters
from webapp.web.i18n import N_, counted

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("technician", "After your first approved job you see it here."),
        ("owner", "When the first rent comes in you see your payout here."),
    ],
)
def test_home_and_list_say_the_same_of_what_comes(database: Flask, kind: str, words: str) -> None:
    organisation, user = people.organisation(), people.user()
    people.payee(organisation, kind=kind, user=user)
    client = database.test_client()
    people.sign_in(client, user, organisation)
    for address in (f"/{kind}/", f"/{kind}/payouts"):
        assert words in client.get(address).text


@pytest.mark.parametrize(
    ("locale", "period", "count"),
    [
        ("en_US", "1–31 Oct 2026", "1,234 payouts"),
        ("en_IN", "1–31 Oct 2026", "1,234 payouts"),
        ("de_DE", "1–31 Okt. 2026", "1.234 payouts"),
    ],
)
def test_periods_and_counts_follow_the_locale(app: Flask, locale: str, period: str, count: str) -> None:
    with app.test_request_context("/technician/payouts"):
        g.organisation = Organisation(locale=locale, timezone="UTC", currency="EUR", name="A")
        assert filters.days(OCTOBER) == period
        assert counted("1,234", N_("1 payout"), N_("%(count)s payouts")) == count
        assert counted("10,000+", N_("1 payout"), N_("%(count)s payouts")).endswith("+ payouts")
        assert counted("1", N_("1 payout"), N_("%(count)s payouts")) == "1 payout"


def test_one_day_is_that_day(app: Flask) -> None:
    with app.test_request_context("/technician/payouts"):
        assert filters.days((OCTOBER[1], OCTOBER[1])) == "31 Oct 2026"

"""A clinic's lists by API take the same number of queries however long they are."""

from __future__ import annotations

import pytest

from tests import factories
from tests.api.conftest import Care
from tests.factories import clinic
from tests.factories.pages import counted_queries
from tests.factories.people import FACTORY
from webapp.database import transaction
from webapp.programs.clinic import withdrawing

LISTS = ("/invoices", "/appointments", "/transactions", "/wallets", "/withdrawals", "/customers", "/commission-rules",
         "/payouts?program=clinic")  # fmt: skip


def _more(care: Care) -> None:
    """An appointment of both with its invoice, paid out; a third practitioner's; a rule; a withdrawal."""
    clinic.set_up(care.organisation, split_mode="share")
    new = clinic.practitioner(care.organisation)
    factories.method(new)
    for people in ([care.ana, care.ben], [new]):
        clinic.pay_out(clinic.paid(care.organisation, people))
    clinic.invoice(care.organisation, [care.ana, new])
    clinic.rule(care.organisation, payee_id=new.id)
    for payee in (care.ana, new):
        with transaction():
            withdrawing.request_withdrawal(
                organisation_id=care.organisation.id, payee_id=payee.id, amount_minor=10_00, actor=FACTORY,
                now=clinic.WHEN,
            )  # fmt: skip


@pytest.mark.parametrize("name", ["admin", "ana"])
def test_no_list_asks_for_each_row(care: Care, name: str) -> None:
    api = care.api(name)
    wanted = [address for address in LISTS if api.get(address).status_code == 200]
    assert len(wanted) == (len(LISTS) if name == "admin" else 6)

    def counts() -> dict[str, tuple[int, int]]:
        found = {}
        for address in wanted:
            with counted_queries() as asked:
                answer = api.get(address)
            found[address] = (len(asked), len(answer.json["items"]))
        return found

    _more(care)
    few = counts()
    for _ in range(3):
        _more(care)
    many = counts()
    for address in wanted:
        if (name, address) != ("ana", "/wallets"):
            assert many[address][1] > few[address][1], address
        assert many[address][0] <= few[address][0], address
        assert many[address][0] <= 14, (address, many[address])

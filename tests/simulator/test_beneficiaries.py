"""Who is paid: a beneficiary at Cashfree for each version of payment details."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from tests.simulator.world import GOOD, World
from webapp.database import db, transaction
from webapp.providers.models import ProviderBeneficiary
from webapp.providers.ports import Outcome

OTHER = {"account_number": "00011020001772", "ifsc": "HDFC0000001"}


def _paid_to(world: World, transfer_id: str) -> str:
    row = world.sim.store.one(
        "SELECT account, vpa FROM cashfree_transfers WHERE transfer_id = ?", (transfer_id,)
    )
    assert row is not None
    return row["account"] or row["vpa"]


def test_it_is_made_once_for_a_version_of_the_details(world: World) -> None:
    world.send("PD1")
    world.send("PD2")
    assert len(world.calls(endpoint="beneficiary.create")) == 1
    assert len(db.session.scalars(select(ProviderBeneficiary)).all()) == 1
    db.session.rollback()


def test_other_details_are_another_beneficiary(world: World) -> None:
    world.send("PD1")
    world.send("PD2", beneficiary_key="k2", details=OTHER)
    assert (_paid_to(world, "PD1"), _paid_to(world, "PD2")) == (
        GOOD["account_number"],
        OTHER["account_number"],
    )


def test_the_account_of_another_payee_is_taken_over_by_its_account(world: World) -> None:
    """Two payees (or two versions) with the same account: Cashfree knows it once, under the first id."""
    world.send("PD1")
    assert world.send("PD2", beneficiary_key="k2").outcome is Outcome.ACCEPTED
    assert _paid_to(world, "PD2") == GOOD["account_number"]


def test_an_id_that_is_there_with_another_account_is_never_paid(world: World) -> None:
    world.send("PD1", beneficiary_key="k2")
    with transaction() as session:
        session.execute(delete(ProviderBeneficiary))
    answer = world.send("PD2", beneficiary_key="k2", details=OTHER)
    assert (answer.outcome, answer.code) == (Outcome.NOT_SENT, "BENEFICIARY_DIFFERS")
    assert not world.calls(subject="PD2")


def test_one_that_somebody_removed_there_is_made_anew(world: World) -> None:
    world.send("PD1")
    world.sim.store.write("UPDATE cashfree_beneficiaries SET status = 'DELETED'")
    first = world.send("PD2")
    assert first.outcome is Outcome.NOT_SENT
    assert world.send("PD2").outcome is Outcome.ACCEPTED
    world.later(6)
    assert world.totals("PD2")["times_left"] == 1


@pytest.mark.parametrize("fault", ["F5", "F6", "F7", "F8", "F12"])
def test_trouble_while_it_is_made_means_that_nothing_was_sent(world: World, fault: str) -> None:
    world.fault(fault, endpoint="beneficiary.create")
    assert world.send().outcome is Outcome.NOT_SENT
    assert not world.calls(endpoint="transfers.create")
    assert world.send().outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"account_number": "CFSOURCE00001", "ifsc": "YESB0000262"}, "beneficiary_account_same_as_source"),
        ({"account_number": "CFVBA0000001", "ifsc": "YESB0000262"}, "vba_bene_not_allowed"),
    ],
)
def test_an_account_that_cashfree_does_not_pay_to_is_a_definite_no(
    world: World, details: dict[str, str], code: str
) -> None:
    answer = world.send(details=details)
    assert (answer.outcome, answer.code) == (Outcome.FAILED, code)

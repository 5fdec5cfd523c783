"""The owner's portal: own properties and own parts of rents, where the money is, and nobody else's."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import select

from tests.factories import people, rentals, rents
from tests.factories.pages import counted_queries
from tests.programs.rentals.owner.conftest import NOW, House
from webapp.database import db, transaction
from webapp.payouts import service as payouts
from webapp.payouts.models import Payout
from webapp.programs.rentals import returns, service
from webapp.programs.rentals.models import DistributionShare


def payout_of(house: House, name: str) -> Payout:
    db.session.rollback()
    payee = getattr(house, name)
    query = select(Payout).where(Payout.payee_id == payee.id).order_by(Payout.id.desc())
    return db.session.scalars(query.execution_options(populate_existing=True)).first()


def approved(house: House, name: str) -> Payout:
    """The owner's payout, approved by as many people as it needs."""
    while (payout := payout_of(house, name)).state == "pending_approval":
        approver = people.user(organisation=house.organisation, role="admin")
        with transaction():
            payouts.approve(
                organisation_id=house.organisation.id,
                reference=payout.reference,
                actor=people.actor_of(approver),
                now=NOW,
            )
    return payout


def paid(house: House, name: str, reference: str = "N32600042") -> Payout:
    """The owner's payout, paid by hand."""
    made = approved(house, name)
    with transaction():
        payouts.mark_paid(
            organisation_id=house.organisation.id,
            reference=made.reference,
            payment_reference=reference,
            paid_on=NOW.date(),
            actor=people.actor_of(people.user(organisation=house.organisation, role="admin")),
            now=NOW,
        )
    return payout_of(house, name)


def test_an_owner_sees_their_properties_and_their_share(house: House) -> None:
    house.rent()
    html = house.client(house.asha_user).get("/owner/properties").text
    for said in (house.place.name, house.place.reference, "60 %", "1 of 1", "₹5,433.60"):
        assert said in html
    html = house.client(house.bilal_user).get("/owner/properties").text
    assert "40 %" in html
    assert "₹3,622.40" in html


def test_a_property_shows_units_and_own_parts_only(house: House) -> None:
    payment = house.rent()
    html = house.client(house.asha_user).get(f"/owner/properties/{house.place.reference}").text
    for said in ("14 Lake Road, Pune", payment.charge.lease.unit.name, "₹10,000.00", "Paid by the tenant",
                 "₹6,000.00", "₹566.40", "₹5,433.60"):  # fmt: skip
        assert said in html, said
    for hidden in ("Bilal", "4,000.00", "3,622.40", house.bilal.reference, "Tenant"):
        assert hidden not in html, hidden


def test_units_that_are_not_let_and_rents_not_asked_for_say_so(house: House) -> None:
    with transaction():
        service.create_unit(
            organisation_id=house.organisation.id, property_reference=house.place.reference, name="Attic",
            actor=people.FACTORY, now=NOW,
        )  # fmt: skip
    rentals.lease(house.place)
    html = house.client(house.asha_user).get(f"/owner/properties/{house.place.reference}").text
    assert "Not let" in html
    assert "Not asked for yet" in html
    assert "No rents yet" in html


@pytest.mark.parametrize("address", ["properties/{place}", "rents/{rent}", "payouts/{payout}"])
def test_what_is_not_theirs_is_not_there(house: House, address: str) -> None:
    payment = house.rent()
    path = "/owner/" + address.format(
        place=house.place.reference, rent=payment.reference, payout=payout_of(house, "asha").reference
    )
    assert house.client(house.asha_user).get(path).status_code == 200
    outsider = people.user("chen@example.com")
    rentals.owner(house.organisation, user=outsider)
    assert house.client(outsider).get(path).status_code == 404
    # Another organisation with an owner who has the same references.
    other = rentals.griha()
    stranger = people.user("dara@example.com")
    theirs = rentals.owner(other, user=stranger)
    rents.rent_of(other, [(theirs, 1)])
    client = house.app.test_client()
    people.sign_in(client, stranger, other)
    said = client.get(path).text
    assert house.place.name not in said
    assert "₹5,433.60" not in said


def test_a_co_owner_cannot_open_the_others_payout_and_sees_an_own_rent(house: House) -> None:
    payment = house.rent()
    client = house.client(house.bilal_user)
    assert client.get(f"/owner/payouts/{payout_of(house, 'asha').reference}").status_code == 404
    html = client.get(f"/owner/rents/{payment.reference}").text
    assert "₹3,622.40" in html
    assert "share 40 %" in html
    for hidden in ("Asha", "6,000.00", "5,433.60"):
        assert hidden not in html


def test_a_former_owner_keeps_the_rents_of_their_time_and_sees_no_units(house: House) -> None:
    payment = house.rent()
    with transaction():
        place = db.session.get_one(type(house.place), house.place.id)
        place.shares = [share for share in place.shares if share.payee_id != house.bilal.id]
    client = house.client(house.bilal_user)
    html = client.get(f"/owner/properties/{house.place.reference}").text
    assert "You do not own a share of it any more." in html
    assert "₹3,622.40" in html
    assert "Let since" not in html
    assert client.get(f"/owner/rents/{payment.reference}").status_code == 200
    assert house.place.name not in client.get("/owner/properties").text


def test_rents_can_be_narrowed_and_fetched_as_files(house: House) -> None:
    first = house.rent()
    second = rents.rent_of(house.organisation, [(house.asha, 1)], 8_000_00)
    client = house.client(house.asha_user)
    both = client.get("/owner/rents").text
    assert first.reference in both
    assert second.reference in both
    place = second.charge.lease.unit.property
    one = client.get(f"/owner/rents?property={place.reference}").text
    assert second.reference in one
    assert first.reference not in one
    assert "No rents match" in client.get("/owner/rents?received_from=2026-11-21").text
    wrong = client.get("/owner/rents?received_from=never")
    assert wrong.status_code == 422
    assert "Enter a day like 2026-10-31." in wrong.text
    backwards = client.get("/owner/rents?received_from=2026-11-21&received_to=2026-11-01")
    assert (backwards.status_code, "ends before it begins" in backwards.text) == (422, True)
    rows = list(csv.DictReader(io.StringIO(client.get("/owner/rents/export.csv").text.lstrip("\ufeff"))))
    found = next(row for row in rows if row["Rent"] == first.reference)
    assert (found["Your part"], found["Management fee"], found["Tax on the fee"], found["To pay"]) == (
        "6000.00", "-480.00", "-86.40", "5433.60",
    )  # fmt: skip
    assert client.get("/owner/rents/export.xlsx").data[:2] == b"PK"
    # Another owner's property is no choice.
    assert client.get("/owner/rents?property=PR-9999").status_code == 422


def test_the_time_line_goes_from_the_rent_to_the_money(house: House) -> None:
    payment = house.rent()
    payout = paid(house, "asha")
    html = house.client(house.asha_user).get(f"/owner/payouts/{payout.reference}").text
    turns = ["Rent received", "Your share worked out", "Created", "Approved", "Payment reference N32600042."]
    places = [html.index(said, html.index('id="timeline"')) for said in turns]
    assert places == sorted(places)
    assert f"{house.place.name}, {payment.charge.lease.unit.name}, Nov 2026." in html
    assert "₹6,000.00 less ₹566.40 for fee, tax, bills and reserve leaves ₹5,433.60." in html
    assert f'href="/owner/rents/{payment.reference}"' in html


def test_rent_that_went_back_is_told_and_what_is_owed_stands_on_the_home_page(house: House) -> None:
    payment = house.rent()
    payout = paid(house, "asha")
    with transaction():
        returns.order_refund(
            organisation_id=house.organisation.id, reference=payment.reference, amount_minor=1_000_00,
            reason="Paid twice", actor=people.FACTORY, now=NOW,
        )  # fmt: skip
    client = house.client(house.asha_user)
    html = client.get(f"/owner/rents/{payment.reference}").text
    assert "The rent went back to the tenant" in html
    assert "₹1,000.00, of which ₹543.36 was yours. It is taken from your next payouts." in html
    assert "The rent went back to the tenant" in client.get(f"/owner/payouts/{payout.reference}").text
    assert "₹543.36</bdi> of rent went back" in client.get("/owner/").text


def test_home_says_what_came_what_is_on_its_way_and_what_is_wanted(house: House) -> None:
    client = house.client(house.bilal_user)
    assert "When the first rent comes in you see your payout here." in client.get("/owner/").text
    house.rent()
    html = client.get("/owner/").text
    for said in ("Rent received for you this month", "₹4,000.00", "On its way to you", "₹3,622.40",
                 "Add your payment details"):  # fmt: skip
        assert said in html, said
    assert "5,433.60" not in html
    paid(house, "asha")
    html = house.client(house.asha_user).get("/owner/").text
    on_its_way = html[html.index("On its way to you") :][:200]
    assert "₹0.00" in on_its_way
    assert "Add your payment details" not in html


@pytest.mark.parametrize(
    ("offer", "netted", "said"),
    [
        ("open", 0, "Griha pays it next."),
        ("blocked", 0, "Griha looks into it before it is paid."),
        ("dismissed", 0, "It stays held for you."),
        ("open", 5_433_60, "All of it goes against rent that went back"),
    ],
)
def test_a_part_without_a_payout_says_why(house: House, offer: str, netted: int, said: str) -> None:
    payment = house.rent()
    with transaction():
        share = db.session.scalars(
            select(DistributionShare).where(DistributionShare.payee_id == house.asha.id)
        ).one()
        share.payout_id, share.offer, share.netted_minor = None, offer, netted
        share.waits_for = "An admins' note"
    html = house.client(house.asha_user).get(f"/owner/rents/{payment.reference}").text
    assert said in html
    assert "An admins" not in html


def test_a_planned_try_says_when(house: House) -> None:
    house.rent()
    payout = approved(house, "asha")
    with transaction():
        one = db.session.get_one(Payout, payout.id)
        one.state, one.retry_at, one.reason = "retry_scheduled", NOW.replace(hour=7), "Bank is away"
    html = house.client(house.asha_user).get(f"/owner/payouts/{payout.reference}").text
    assert (
        "The bank did not take it. Bank is away. It is tried again by itself at 20 Nov 2026, 13:00 IST."
        in html
    )


def test_an_owner_without_a_record_is_told_whom_to_ask(house: House) -> None:
    lost = people.user(organisation=house.organisation, role="owner")
    client = house.client(lost)
    assert client.get("/owner/properties").status_code == 200
    assert client.get("/owner/rents").status_code == 200
    assert client.get("/owner/rents/RP-2026-000001").status_code == 404


def test_more_rents_cost_no_more_queries(house: House) -> None:
    house.rent()
    client = house.client(house.asha_user)
    pages = ("/owner/", "/owner/properties", f"/owner/properties/{house.place.reference}", "/owner/rents")
    counts = {}
    for page in pages:
        with counted_queries() as few:
            assert client.get(page).status_code == 200
        counts[page] = len(few)
    for _ in range(4):
        house.rent()
        rents.rent_of(house.organisation, [(house.asha, 1)])
    for page in pages:
        with counted_queries() as many:
            client.get(page)
        assert len(many) == counts[page], page
        assert len(many) <= (15 if page == "/owner/" else 12), (page, many)


def test_every_line_of_a_payout_says_how_it_came_about(house: House) -> None:
    house.rent()
    html = house.client(house.asha_user).get(f"/owner/payouts/{payout_of(house, 'asha').reference}").text
    for said in ("Rent of 10000.00, your part 60 of 100", "8 % of 10000.00, your part 60 of 100",
                 "18 % of 800.00, your part 60 of 100"):  # fmt: skip
        assert said in html, said

from tests.factories import membership, method, organisation, payee, sign_in, user
from webapp.people import queries, numbers
from webapp.database import transaction


def test_all(client):
    o = organisation("solaria")
    u = user("a@solaria.example", organisation=o, role="admin", password="paydesk-demo", is_demo=True)
    p = payee(o, user=user())
    m = method(p)
    m2 = method(p, cool_off_hours=24)
    assert (
        m2.version == 2
        and m2.cool_off_until
        and queries.details_of(m2).reveal()["routing_number"] == "021000021"
    )
    assert "memberships" and p.reference == "PY-0001"
    with transaction():
        assert numbers.next_numbers(o.id, "PO-2026", 6, 3) == [
            "PO-2026-000001",
            "PO-2026-000002",
            "PO-2026-000003",
        ]
        assert numbers.next_number(o.id, "PO-2026", 6) == "PO-2026-000004"
    sign_in(client, u, o)

"""A page of fifty rows, milliseconds per request in one process, against the least that the application answers."""

from __future__ import annotations

from collections.abc import Iterator

from flask.testing import FlaskClient

from benchmarks import crowd, watch
from benchmarks.frame import Figure, at_most, in_turns
from benchmarks.ground import Ground
from webapp.web.guards import public

NAME = "page"
PAGES = {
    "payouts, 50 rows": "/admin/payouts",
    "approvals, 50 rows": "/admin/approvals",
    "own payouts, 50 rows": "/technician/payouts",
}


def run(ground: Ground) -> Iterator[Figure]:
    """Each list against a hello of the same application, and its queries."""
    many = crowd.gather(ground, ground.size(400, 20_000))
    requests = ground.size(2, 20)
    many.app.add_url_rule("/hello", "hello", public(lambda: "hello"))
    with many.app.app_context():
        stranger = many.app.test_client()
        for name, address in PAGES.items():
            client = many.client(many.technician if address.startswith("/technician") else many.admin)
            asked = watch.asked_by(lambda client=client, address=address: _get(client, address, 1))  # type: ignore[misc]
            pair = in_turns(
                lambda n, client=client, address=address: _get(client, address, requests),  # type: ignore[misc]
                lambda n: _get(stranger, "/hello", requests),
                ground.rounds,
            )
            yield Figure(NAME, name, ground.engine, pair.ours / requests * 1000, "ms", pair.floor / requests * 1000,
                         pair.ratio, at_most(8), "floor: a hello of the same application")  # fmt: skip
            yield Figure(NAME, f"{name}: queries", ground.engine, len(asked.statements), "queries",
                         goal=at_most(12, "ours"))  # fmt: skip


def _get(client: FlaskClient, address: str, times: int) -> None:
    for _ in range(times):
        response = client.get(address)
        if response.status_code != 200:
            raise RuntimeError(f"{address} answered {response.status_code}")

"""A simulator in this process, an organisation whose account leads to it, and somebody who takes its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests import factories
from webapp import secrets
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.providers.accounts import CREDENTIALS_OF, Access
from webapp.providers.cashfree.rail import Cashfree
from webapp.providers.models import ProviderAccount
from webapp.providers.ports import Answer, TransferOrder
from webapp.simulator.server import Running
from webapp.simulator.settings import CLIENTS, Options, Settings

GOOD = {"account_number": "026291800001191", "ifsc": "YESB0000262"}
KEYS = {"client_id": CLIENTS[0].client_id, "client_secret": CLIENTS[0].secret}
HEADERS = {
    "x-client-id": KEYS["client_id"],
    "x-client-secret": KEYS["client_secret"],
    "x-api-version": "2024-01-01",
}


def simulator(**settings: Any) -> Running:
    """A simulator whose clock stands still, and that lets nobody really wait."""
    options = Options(hang_seconds=0.0, drip_seconds=0.0)
    running = Running(Settings(has_background=False, options=options, **settings))
    running.sim.clock.stand()
    return running


@dataclass
class Told:
    """A message that arrived."""

    body: bytes
    headers: Mapping[str, str]
    content_type: str


class Receiver:
    """Takes messages and answers with `status`."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.status = 200
        self._server = make_server("127.0.0.1", 0, self._take, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def _take(self, environ: Any, start: Any) -> Any:
        request = Request(environ)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.told.append(Told(request.get_data(), headers, request.content_type or ""))
        return Response(status=self.status)(environ, start)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class World:
    """An organisation whose account at Cashfree leads to a simulator."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.sim = running.sim
        self.http = httpx.Client(base_url=running.url)
        self.organisation_id = factories.organisation(currency="INR").id
        self.rail = Cashfree()
        self.uid = uuid4().hex
        self.access = self._account({})

    def _account(self, more: Mapping[str, str]) -> Access:
        base = f"{self.running.url}/cashfree"
        values = {
            **KEYS,
            "payouts_url": f"{base}/payout",
            "balance_url": base,
            "verification_url": f"{base}/verification",
            **more,
        }
        sealed = secrets.key_ring().encrypt(values, secrets.binding(CREDENTIALS_OF, self.uid))
        with transaction() as session:
            row = session.query(ProviderAccount).filter_by(uid=self.uid).one_or_none() or ProviderAccount(
                uid=self.uid,
                organisation_id=self.organisation_id,
                provider="cashfree",
                environment="sandbox",
                created_at=utc_now(),
            )
            row.credentials_encrypted, row.changed_at = sealed, utc_now()
            session.add(row)
            session.flush()
            return Access(row.id, self.organisation_id, "sandbox", values)

    def enter_keys(self, **more: str) -> None:
        """Give the account other keys."""
        self.access = self._account(more)

    def order(self, transfer_id: str = "PD1", **more: Any) -> TransferOrder:
        """A transfer of 9,056.00 to an account that works."""
        values: dict[str, Any] = {
            "amount_minor": 9_056_00,
            "currency": "INR",
            "beneficiary": "Meera Iyer",
            "account_masked": "••1191",
            "remarks": "PO-2026-000001",
            "beneficiary_key": "k1",
            "details": GOOD,
            **more,
        }
        return TransferOrder(organisation_id=self.organisation_id, transfer_id=transfer_id, **values)

    def send(self, transfer_id: str = "PD1", **more: Any) -> Answer:
        """Send a transfer by our own rail."""
        return self.rail.send(self.order(transfer_id, **more))

    def status(self, transfer_id: str = "PD1") -> Answer:
        """Ask what became of it by our own rail."""
        return self.rail.status(self.organisation_id, transfer_id)

    def later(self, seconds: float) -> None:
        """Let time pass at the provider."""
        self.sim.clock.move(seconds)
        self.sim.advance()

    def fault(self, fault: str, **rule: Any) -> None:
        """Let something go wrong."""
        self.sim.plan.add(fault, **rule)

    def totals(self, transfer_id: str = "PD1") -> dict[str, int]:
        """What the simulator counted of a transfer."""
        return self.http.get("/control/totals").json()[transfer_id]

    def calls(self, **narrow: str) -> list[dict[str, Any]]:
        """The simulator's journal."""
        return self.http.get("/control/calls", params=narrow).json()

    def close(self) -> None:
        """Let go of everything."""
        self.http.close()
        self.running.close()

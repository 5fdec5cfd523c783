"""One request of a provider's API, from the plan of faults to the journal."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, request

from webapp.simulator.core import Said, Simulator, dumps
from webapp.simulator.faults import Hit, Hits, Kind, Stage

_KEPT = 4000
_HTML = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"


@dataclass(frozen=True)
class Call:
    """What is asked for. `subject` is the merchant's own id of what it is about; may be empty."""

    provider: str
    endpoint: str
    kind: Kind
    subject: str
    client_id: str


def answer(sim: Simulator, call: Call, work: Callable[[Hits], Said]) -> Response:
    """Do the work unless a fault keeps it from being done, and answer unless a fault spoils that.

    `work` gets what strikes, so that it can build faults of the later life in.
    """
    hits = sim.ask(call.provider, call.endpoint, call.kind, call.subject)
    hit = hits.transport
    if hit is not None and hit.fault.stage is Stage.BEFORE:
        return _refuse(sim, call, hit, hits)
    if hit is not None and hit.name == "duplicate" and not hit.parameters["accepted"]:
        return _journal(sim, call, hits, False, _problem(sim, call, hit))
    said = work(hits)
    if hit is None:
        return _journal(sim, call, hits, True, said)
    return _spoil(sim, call, hit, hits, said)


def _problem(sim: Simulator, call: Call, hit: Hit, **words: Any) -> Said:
    return sim.providers[call.provider].problem(hit.name, subject=call.subject, **{**hit.parameters, **words})


def _refuse(sim: Simulator, call: Call, hit: Hit, hits: Hits) -> Response:
    """A fault before the provider did anything."""
    if hit.name in ("lost", "late"):
        if hit.name == "late":
            due = sim.clock.now() + round(hit.parameters["seconds"] * 1000)
            sim.store.insert(
                "late", due_at=due, provider=call.provider, client_id=call.client_id, endpoint=call.endpoint,
                body=request.get_data(as_text=True),
            )  # fmt: skip
        _journal(sim, call, hits, False, None)
        return drop()
    if hit.name == "rotated":
        sim.rotate(call.provider, call.client_id, hit.parameters["secret"])
        return _journal(sim, call, hits, False, sim.providers[call.provider].problem("unauthorised"))
    return _journal(sim, call, hits, False, _problem(sim, call, hit))


def _spoil(sim: Simulator, call: Call, hit: Hit, hits: Hits, said: Said) -> Response:
    """A fault after the provider has done its work."""
    if hit.name == "timeout":
        _journal(sim, call, hits, True, None)
        return hang(sim)
    if hit.name == "accepted_5xx":
        said = sim.providers[call.provider].problem("server_error", **hit.parameters)
    elif hit.name == "duplicate":
        said = _problem(sim, call, hit)
    elif hit.name in ("unknown_status", "wrong_amount", "wrong_id", "stale") and said.status < 300:
        said = replace(
            said,
            body=sim.providers[call.provider].spoiled(hit.name, said.body, **hit.parameters),
        )
    response = _journal(sim, call, hits, True, said)
    if hit.name == "truncated":
        response.set_data(response.get_data()[: max(1, len(response.get_data()) * 2 // 3)])
    elif hit.name == "html":
        response = Response(_HTML, status=hit.parameters["status"], mimetype="text/html")
    elif hit.name == "drip":
        response = Response(
            _drip(response.get_data(), sim.options.drip_seconds),
            status=said.status,
            mimetype="application/json",
        )
    return response


def _drip(content: bytes, pause: float) -> Iterator[bytes]:
    for index in range(len(content)):
        yield content[index : index + 1]
        time.sleep(pause)


def _journal(sim: Simulator, call: Call, hits: Hits, was_done: bool, said: Said | None) -> Response:
    """Write the call down and make its response; `said` is None when the connection is dropped."""
    text = dumps(said.body) if said else ""
    sim.store.insert(
        "calls", at=sim.clock.now(), provider=call.provider, client_id=call.client_id, endpoint=call.endpoint,
        method=request.method, subject=call.subject, fault=hits.numbers, was_done=int(was_done),
        status=said.status if said else 0, request=request.get_data(as_text=True)[:_KEPT], answer=text[:_KEPT],
    )  # fmt: skip
    headers: Mapping[str, str] = said.headers if said else {}
    return Response(
        text, status=said.status if said else 500, mimetype="application/json", headers=dict(headers)
    )


def hang(sim: Simulator) -> Response:
    """Let the caller wait, then go without a word."""
    time.sleep(sim.options.hang_seconds)
    return drop()


def drop() -> Response:
    """Close the connection without an answer. Without a connection (a test client) the caller gets the exception."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket") or request.environ.get(
        "gunicorn.socket"
    )
    if connection is None:
        raise ConnectionResetError("the simulator dropped the connection")
    with contextlib.suppress(OSError):  # the caller may have gone already
        connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500, headers={"connection": "close"})

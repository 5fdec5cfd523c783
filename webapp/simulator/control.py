"""`/control`: how tests and people tell the simulator what to do, and read what it saw. JSON both ways."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from typing import Any

from flask import Blueprint, Response, jsonify, request

from webapp.simulator import clock, signing, webhooks
from webapp.simulator.core import CannotAct, the_simulator
from webapp.simulator.faults import FAULTS, NoSuchFault
from webapp.simulator.settings import Client, Options
from webapp.simulator.store import as_dict

blueprint = Blueprint("control", __name__, url_prefix="/control")


class _Wrong(ValueError):
    """A request that makes no sense; the message says why."""


@blueprint.errorhandler(_Wrong)
@blueprint.errorhandler(CannotAct)
@blueprint.errorhandler(NoSuchFault)
def _explain(problem: ValueError) -> tuple[Response, int]:
    return jsonify(problem=str(problem)), 400


def _body(*needed: str, **optional: Any) -> dict[str, Any]:
    given = request.get_json(force=True, silent=True)
    if not isinstance(given, dict):
        raise _Wrong("The body is a JSON object.")
    if missing := [name for name in needed if name not in given]:
        raise _Wrong(f"{missing[0]} is missing.")
    if unknown := sorted(set(given) - set(needed) - set(optional)):
        raise _Wrong(f"There is no {unknown[0]!r} here.")
    return {**optional, **given}


@blueprint.get("/")
def index() -> Response:
    """What there is: clients, targets, options, time."""
    sim = the_simulator()
    return jsonify(
        now=clock.text(sim.clock.now()),
        stands=sim.clock.stands,
        options=vars(sim.options),
        clients=[
            {name: row[name] for name in ("provider", "client_id", "secret", "old_secret", "balance_minor")}
            for row in sim.store.read("SELECT * FROM clients ORDER BY provider, client_id")
        ],
        targets=[as_dict(row) for row in sim.store.read("SELECT * FROM targets")],
        faults=sim.plan.rules(),
    )


@blueprint.post("/clients")
def add_client() -> tuple[Response, int]:
    """Open a merchant's account: provider, client_id, secret, balance_minor."""
    given = _body("provider", "client_id", "secret", balance_minor=1_000_000_000_00)
    sim = the_simulator()
    if given["provider"] not in sim.providers:
        raise _Wrong(f"There is no provider {given['provider']!r}.")
    sim.add_client(Client(**given))
    return jsonify(given), 201


@blueprint.post("/target")
def set_target() -> Response:
    """Name the address of an account's webhooks: provider, client_id, url."""
    given = _body("provider", "client_id", "url")
    webhooks.set_target(the_simulator(), given["provider"], given["client_id"], given["url"])
    return jsonify(given)


@blueprint.post("/options")
def set_options() -> Response:
    """Change how the providers behave."""
    given = _body(**{each.name: None for each in fields(Options)})
    sim = the_simulator()
    for name, value in given.items():
        if value is not None:
            setattr(sim.options, name, value)
    return jsonify(vars(sim.options))


@blueprint.post("/clock")
def set_clock() -> Response:
    """Move time: stand (true/false), now (an ISO instant), seconds (forward). What is due happens at once."""
    given = _body(stand=None, now=None, seconds=None)
    sim = the_simulator()
    if given["stand"] is True:
        sim.clock.stand()
    if given["now"] is not None:
        try:
            sim.clock.set(clock.from_text(given["now"]))
        except ValueError:
            raise _Wrong("now is an instant such as 2026-11-21T15:40:00Z.") from None
    if given["seconds"] is not None:
        sim.clock.move(given["seconds"])
    if given["stand"] is False:
        sim.clock.run()
    return jsonify(now=clock.text(sim.clock.now()), stands=sim.clock.stands, happened=sim.advance())


@blueprint.post("/faults")
def add_faults() -> tuple[Response, int]:
    """Add a rule: fault, and where it strikes (provider, endpoint, subject, skip, times, with)."""
    given = _body("fault", provider="", endpoint="", subject="", skip=0, times=1, **{"with": {}})
    parameters = given.pop("with")
    rule = the_simulator().plan.add(given.pop("fault"), parameters=parameters, **given)
    return jsonify(rule.as_dict()), 201


@blueprint.post("/faults/random")
def mix_faults() -> Response:
    """Strike at random from now on: seed, rate, faults, most (for one subject)."""
    given = _body("seed", rate=0.1, faults=["all"], most=4)
    the_simulator().plan.mix(**given)
    return jsonify(given)


@blueprint.get("/faults")
def list_faults() -> Response:
    """Rules with their counts, and all faults that there are."""
    known = [
        {"number": each.number, "name": each.name, "label": each.label, "with": dict(each.parameters)}
        for each in FAULTS
    ]
    return jsonify(rules=the_simulator().plan.rules(), known=known)


@blueprint.delete("/faults")
def clear_faults() -> Response:
    """From now on everything goes well."""
    the_simulator().plan.clear()
    return jsonify(rules=[])


@blueprint.post("/rotate")
def rotate() -> Response:
    """Give an account another secret: provider, client_id, secret, takes_old."""
    given = _body("provider", "client_id", secret="", takes_old=False)  # nosec B106 - none: make one
    new = the_simulator().rotate(
        given["provider"], given["client_id"], given["secret"], takes_old=given["takes_old"]
    )
    return jsonify(secret=new)


@blueprint.post("/public-key")
def give_key() -> Response:
    """Let an account's calls be sealed from now on: provider, client_id. Answers the public key."""
    given = _body("provider", "client_id")
    return jsonify(public_key=signing.give_key(the_simulator(), given["provider"], given["client_id"]))


@blueprint.post("/act")
def act() -> Response:
    """Do something with a transfer or an order: provider, subject, action, words."""
    given = _body("provider", "subject", "action", words={})
    sim = the_simulator()
    if given["provider"] not in sim.providers:
        raise _Wrong(f"There is no provider {given['provider']!r}.")
    sim.providers[given["provider"]].act(sim, given["action"], given["subject"], given["words"])
    return jsonify(happened=sim.advance())


@blueprint.get("/calls")
def calls() -> Response:
    """The journal, oldest first; provider, endpoint and subject narrow it, `after` is the last id seen."""
    wanted = {name: request.args.get(name, "") for name in ("provider", "endpoint", "subject")}
    rows = the_simulator().store.read(
        "SELECT * FROM calls WHERE (:provider = '' OR provider = :provider) AND (:endpoint = '' OR "
        "endpoint = :endpoint) AND (:subject = '' OR subject = :subject) AND id > :after ORDER BY id LIMIT 5000",
        {**wanted, "after": request.args.get("after", 0, int)},
    )
    return jsonify([as_dict(row) for row in rows])


@blueprint.get("/totals")
def totals() -> Response:
    """By subject: how many writing calls came, how many were done, what left and what came back."""
    sim, provider = the_simulator(), request.args.get("provider", "cashfree")
    sim.advance()
    found: dict[str, dict[str, int]] = {}
    for row in sim.store.read(
        "SELECT subject, count(*) AS posts, sum(was_done) AS done FROM calls WHERE provider = ? AND subject <> '' "
        "AND method = 'POST' GROUP BY subject",
        (provider,),
    ):
        found[row["subject"]] = {"posts": row["posts"], "done": row["done"]}
    for row in sim.store.read(
        "SELECT subject, sum(max(0, -amount_minor)) AS gone, sum(max(0, amount_minor)) AS back, "
        "sum(amount_minor < 0) AS times FROM movements WHERE provider = ? GROUP BY subject",
        (provider,),
    ):
        found.setdefault(row["subject"], {}).update(
            left_minor=row["gone"], returned_minor=row["back"], times_left=row["times"]
        )
    nothing = {"posts": 0, "done": 0, "left_minor": 0, "returned_minor": 0, "times_left": 0}
    return jsonify({subject: {**nothing, **counts} for subject, counts in found.items()})


@blueprint.get("/webhooks")
def list_webhooks() -> Response:
    """Messages, oldest first, with how they fared."""
    rows = the_simulator().store.read(
        "SELECT * FROM webhooks WHERE (:subject = '' OR subject = :subject) ORDER BY id LIMIT 5000",
        {"subject": request.args.get("subject", "")},
    )
    return jsonify([as_dict(row) for row in rows])


@blueprint.get("/statement.csv")
def statement_csv() -> Response:
    """The bank statement behind a provider's account, as a file."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["date", "utr", "reference", "description", "debit", "credit"])
    for row in _statement():
        amount = f"{abs(row['amount_minor']) // 100}.{abs(row['amount_minor']) % 100:02d}"
        writer.writerow(
            [
                clock.text(row["at"])[:10], row["utr"], row["subject"], row["text"],
                amount if row["amount_minor"] < 0 else "", amount if row["amount_minor"] > 0 else "",
            ]
        )  # fmt: skip
    return Response(out.getvalue(), mimetype="text/csv")


@blueprint.get("/statement.json")
def statement_json() -> Response:
    """The bank statement behind a provider's account, in minor units."""
    return jsonify([as_dict(row) for row in _statement()])


def _statement() -> list[Any]:
    wanted = {name: request.args.get(name, "") for name in ("provider", "client_id")}
    the_simulator().advance()
    return the_simulator().store.read(
        "SELECT * FROM statement WHERE (:provider = '' OR provider = :provider) AND (:client_id = '' OR "
        "client_id = :client_id) ORDER BY at, id",
        wanted,
    )


@blueprint.post("/reset")
def reset() -> Response:
    """Forget everything."""
    the_simulator().reset()
    return jsonify(done=True)

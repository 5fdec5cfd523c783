"""A web server whose clock is led by who started it: `python -m tests.browser.led PORT`, with a folder of its own.

It puts a clinic into an empty database and says as one line of JSON what it made. Every line that it then reads is an
instant: the clock goes there, the workers' queues are worked off, and it answers with what is wrong in the ledger, as a
line of JSON. It ends with its input. Months can pass so, and nothing waits for anything.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from threading import Thread
from typing import Any

import time_machine
from flask_migrate import upgrade
from werkzeug.serving import make_server

from jobs.base import drain_here
from tests.factories import clinic, people
from webapp.app import create_app
from webapp.database import db, transaction
from webapp.demo.people import PASSWORD
from webapp.ledger import check
from webapp.queue import QUEUES

START = datetime.fromisoformat("2026-11-12T15:00:00+00:00")


def put_up() -> dict[str, Any]:
    """A clinic with two admins and a practitioner who has had an appointment."""
    with transaction():
        here = clinic.carepoint(slug="month", contact_email="payouts@month.example", locale="en_CA")
        here.is_demo = True
        for name in ("first", "second"):
            people.user(
                f"{name}@month.example", organisation=here, role="admin", password=PASSWORD, is_demo=True
            )
        theo = clinic.practitioner(
            here,
            name="Theo Tremblay",
            user=people.user("theo@month.example", password=PASSWORD, is_demo=True),
        )
        people.method(theo, people.destination("700012345999"))
        visit = clinic.appointment(here, [theo])
        return {
            "customer": visit.customer.reference,
            "appointment": visit.reference,
            "practitioner": theo.reference,
        }


def work_off() -> list[str]:
    """All that is due, and what it leads to; what the ledger then says against itself."""
    while sum([drain_here(name) for name in QUEUES]):
        pass
    found = [str(each) for each in check.run().findings]
    db.session.remove()
    return found


def main() -> None:
    """Serve until the input ends."""
    app = create_app(for_web=True)
    # Nobody is rung: the queues are worked off here.
    app.extensions["paydesk_redis"] = None
    with time_machine.travel(START) as traveller:
        with app.app_context():
            upgrade(directory=str(app.config["MIGRATIONS_FOLDER"]))
            made = put_up()
            db.session.remove()
        server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True)
        Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps(made), flush=True)
        for line in sys.stdin:
            traveller.move_to(datetime.fromisoformat(line.strip()))
            with app.app_context():
                print(json.dumps(work_off()), flush=True)


if __name__ == "__main__":
    main()

"""Second factors for tests, made through the services."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyotp

from tests.factories.people import actor_of, stored
from webapp.kernel.clock import utc_now
from webapp.people.access import second_factor
from webapp.people.models import User


def app_of(user: User, *, now: datetime | None = None) -> tuple[pyotp.TOTP, list[str]]:
    """An authenticator app, set up two minutes ago, and the recovery codes that came with it."""
    when = (now or utc_now()) - timedelta(minutes=2)
    with stored():
        second_factor.begin_setup(user_id=user.id, now=when)
        setup = second_factor.setup_of(user.id, user.email)
        assert setup is not None
        app = pyotp.parse_uri(setup.address)
        assert isinstance(app, pyotp.TOTP)
        codes = second_factor.confirm_setup(
            user_id=user.id, session_id=0, code=app.at(when), actor=actor_of(user), now=when
        )
    return app, codes

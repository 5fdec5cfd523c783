"""The authenticator app, recovery codes, the second step of sign-in, and who must have a second factor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from redis import ConnectionError as StoreAway
from sqlalchemy import select
from werkzeug.routing import AnyConverter, BaseConverter, IntegerConverter

from tests.factories import PASSWORD, actor_of, membership, organisation, sign_in, user
from tests.factories.factors import app_of
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, NotFound
from webapp.outbox.models import OutboxMessage
from webapp.people import sessions, throttle
from webapp.people.access import second_factor
from webapp.people.access.models import RecoveryCode, TotpSecret
from webapp.people.commands import remove_second_factor
from webapp.people.models import Organisation, User, UserSession

WRONG = "That code is not right."
STEP = "/sign-in/second-factor"


def token(client: FlaskClient) -> str | None:
    with client.session_transaction() as cookie:
        return cookie.get("session")


def give_password(client: FlaskClient, person: User, **values: Any) -> Any:
    return client.post("/sign-in", data={"email": person.email, "password": PASSWORD, **values})


def give_code(client: FlaskClient, code: str, **values: Any) -> Any:
    return client.post(STEP, data={"proof_code": code, **values})


def tags() -> list[str]:
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


def mails() -> list[str]:
    return list(db.session.scalars(select(OutboxMessage.kind).order_by(OutboxMessage.id)))


@pytest.fixture
def house(database: Flask) -> Organisation:
    return organisation("solaria")


@pytest.fixture
def admin(house: Organisation) -> User:
    return user("maya@solaria.example", organisation=house, role="admin", password=PASSWORD)


@pytest.fixture
def required(database: Flask) -> Iterator[None]:
    """As in production: admins and accountants must have a second factor."""
    settings = database.config["SETTINGS"]
    database.config["SETTINGS"] = settings.model_copy(update={"second_factor": "required"})
    yield
    database.config["SETTINGS"] = settings


# ---- Setting up -----------------------------------------------------------------------------------------


def shown_secret(page: str) -> pyotp.TOTP:
    found = re.search(r"Key: <strong>([A-Z2-7 ]+)</strong>", page)
    assert found
    return pyotp.TOTP(found[1].replace(" ", ""))


def test_an_app_is_set_up_by_its_first_code(client: FlaskClient, admin: User, house: Organisation) -> None:
    sign_in(client, admin, house)
    other = client.application.test_client()
    sign_in(other, admin, house)
    assert "None yet" in client.get("/account").text
    assert client.post("/account/second-factor/app/new").location == "/account/second-factor/app"
    page = client.get("/account/second-factor/app").text
    assert 'src="data:image/svg+xml' in page
    app = shown_secret(page)
    refused = client.post("/account/second-factor/app", data={"code": "000000"})
    assert refused.status_code == 422
    assert WRONG in refused.text
    assert not second_factor.factors_of(admin.id).has_any
    done = client.post("/account/second-factor/app", data={"code": app.now()})
    codes = re.findall(r"[2-9A-HJ-NP-Z]{4}(?:-[2-9A-HJ-NP-Z]{4}){3}", done.text.partition("data-copy")[0])
    assert len(set(codes)) == 10
    assert second_factor.factors_of(admin.id).n_recovery_codes == 10
    # The codes are not shown again, and nothing of them or of the secret is kept in the clear.
    assert codes[0] not in client.get("/account/second-factor").text
    row = db.session.scalars(select(TotpSecret)).one()
    assert app.secret not in row.secret_encrypted
    assert codes[0] not in set(db.session.scalars(select(RecoveryCode.code_hash)))
    assert "people:totp:added" in tags()
    assert mails() == ["notice.security.factor_added"]
    assert other.get("/account").status_code == 302
    assert "10 recovery codes left" in client.get("/account").text


def test_a_setup_that_is_begun_anew_has_a_new_secret(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    sign_in(client, admin, house)
    client.post("/account/second-factor/app/new")
    first = shown_secret(client.get("/account/second-factor/app").text)
    client.post("/account/second-factor/app/new")
    assert shown_secret(client.get("/account/second-factor/app").text).secret != first.secret
    # Not confirmed: sign-in asks for nothing more.
    assert give_password(client.application.test_client(), admin).location == "/me"


def test_a_second_app_needs_the_first_one_removed(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    app_of(admin)
    sign_in(client, admin, house)
    assert client.post("/account/second-factor/app/new").status_code == 409
    with pytest.raises(Conflict), transaction():
        second_factor.begin_setup(user_id=admin.id, now=utc_now())
    assert client.get("/account/second-factor/app").location == "/account/second-factor"


def test_a_removed_app_takes_its_codes_along(client: FlaskClient, admin: User, house: Organisation) -> None:
    app_of(admin)
    sign_in(client, admin, house)
    other = client.application.test_client()
    sign_in(other, admin, house)
    assert client.post("/account/second-factor/app/remove").status_code == 303
    assert not db.session.scalars(select(RecoveryCode)).all()
    assert mails()[-1] == "notice.security.factor_removed"
    assert "people:totp:removed" in tags()
    assert other.get("/account").status_code == 302
    assert give_password(client.application.test_client(), admin).location == "/me"


def test_recovery_codes_are_made_anew(client: FlaskClient, admin: User, house: Organisation) -> None:
    _, old = app_of(admin)
    sign_in(client, admin, house)
    page = client.post("/account/second-factor/recovery-codes")
    assert page.status_code == 200
    assert old[0] not in page.text
    browser = client.application.test_client()
    give_password(browser, admin)
    assert give_code(browser, old[0]).status_code == 422


def test_without_a_factor_there_are_no_recovery_codes(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    sign_in(client, admin, house)
    assert client.post("/account/second-factor/recovery-codes").status_code == 303
    assert not db.session.scalars(select(RecoveryCode)).all()


# ---- The second step ------------------------------------------------------------------------------------


def test_sign_in_takes_two_steps(client: FlaskClient, admin: User) -> None:
    app, _ = app_of(admin)
    first = give_password(client, admin, next="/admin/payees")
    assert first.location == f"{STEP}?next=/admin/payees"
    waiting = token(client)
    page = client.get(first.location).text
    assert 'autocomplete="one-time-code"' in page
    done = give_code(client, app.now(), next="/admin/payees")
    assert (done.status_code, done.location) == (303, "/admin/payees")
    assert token(client) not in (None, waiting)
    assert client.get("/admin/payees").status_code == 200
    row = db.session.scalars(select(UserSession)).one()
    assert (row.is_pending, row.factor) == (False, "totp")
    assert row.expires_at - utc_now() > timedelta(hours=7)
    assert "people:session:password_accepted" in tags()
    assert tags()[-1] == "people:session:signed_in"
    # The token of the first step opens nothing any more.
    planted = client.application.test_client()
    with planted.session_transaction() as cookie:
        cookie["session"] = waiting
    assert planted.get("/account").status_code == 302
    assert planted.get(STEP).location == "/sign-in"


@pytest.mark.parametrize("typed", ["{}", " {} ", "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}"])
def test_a_code_may_be_typed_with_spaces(client: FlaskClient, admin: User, typed: str) -> None:
    app, _ = app_of(admin)
    give_password(client, admin)
    assert give_code(client, typed.format(app.now())).status_code == 303


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "0" * 5000, "' OR 1=1 --", "\u202e123456"]
)
def test_a_wrong_code_gets_one_answer(client: FlaskClient, admin: User, code: str) -> None:
    app_of(admin)
    give_password(client, admin)
    answer = give_code(client, code)
    assert answer.status_code == 422
    assert WRONG in answer.text
    assert client.get("/account").status_code == 302


def test_a_code_is_good_once(client: FlaskClient, admin: User) -> None:
    app, _ = app_of(admin)
    now = utc_now()
    with time_machine.travel(now, tick=False):
        code = app.now()
        give_password(client, admin)
        assert give_code(client, code).status_code == 303
        thief = client.application.test_client()
        give_password(thief, admin)
        assert give_code(thief, code).status_code == 422
        # An older one that was never used does not count either.
        assert give_code(thief, app.at(now - timedelta(seconds=30))).status_code == 422
        assert give_code(thief, app.at(now + timedelta(seconds=30))).status_code == 303


@pytest.mark.parametrize(("seconds", "status"), [(-60, 422), (-30, 303), (0, 303), (30, 303), (60, 422)])
def test_clocks_may_differ_by_one_step(client: FlaskClient, admin: User, seconds: int, status: int) -> None:
    app, _ = app_of(admin)
    now = utc_now()
    with time_machine.travel(now, tick=False):
        give_password(client, admin)
        assert give_code(client, app.at(now + timedelta(seconds=seconds))).status_code == status


def test_the_code_of_somebody_else_is_of_no_use(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    app_of(admin)
    colleague, codes = app_of(user(organisation=house, role="admin", password=PASSWORD))
    give_password(client, admin)
    assert give_code(client, colleague.now()).status_code == 422
    assert give_code(client, codes[0]).status_code == 422


def test_a_recovery_code_lets_in_once(client: FlaskClient, admin: User) -> None:
    _, codes = app_of(admin)
    give_password(client, admin)
    page = client.get(f"{STEP}?with=recovery").text
    assert "Recovery code" in page
    assert give_code(client, codes[3].lower().replace("-", " ")).status_code == 303
    assert db.session.scalars(select(UserSession.factor)).one() == "recovery_code"
    assert mails()[-1] == "notice.security.recovery_used"
    assert "people:recovery_codes:used" in tags()
    again = client.application.test_client()
    give_password(again, admin)
    assert give_code(again, codes[3]).status_code == 422
    assert second_factor.factors_of(admin.id).n_recovery_codes == 9


def test_who_waits_too_long_begins_again(client: FlaskClient, admin: User) -> None:
    app, _ = app_of(admin)
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        give_password(client, admin)
        clock.shift(timedelta(minutes=10))
        answer = give_code(client, app.now())
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert client.get("/account").status_code == 302


def test_without_the_first_step_there_is_no_second(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    app, _ = app_of(admin)
    assert client.get(STEP).location == "/sign-in"
    assert give_code(client, app.now()).location == "/sign-in"
    sign_in(client, admin, house)
    assert client.get(STEP).location == "/me"


def _fits(converter: BaseConverter) -> object:
    """A value that stands in an address where the converter is."""
    if isinstance(converter, AnyConverter):
        return sorted(converter.items)[0]
    return 1 if isinstance(converter, IntegerConverter) else "csv"


def test_a_waiting_session_opens_nothing(client: FlaskClient, admin: User) -> None:
    app_of(admin)
    give_password(client, admin)
    row = db.session.scalars(select(UserSession)).one()
    assert row.is_pending
    waiting = token(client)
    checked = 0
    for rule in client.application.url_map.iter_rules():
        view = client.application.view_functions[rule.endpoint]
        if getattr(view, "is_public", False) or rule.endpoint.startswith("api."):
            continue
        with client.application.test_request_context():
            values = {name: _fits(converter) for name, converter in rule._converters.items()}
            address = rule.build(values)[1]  # type: ignore[index]
        for method in (rule.methods or set()) & {"GET", "POST"}:
            answer = client.open(address, method=method)
            expected = (302,) if method == "GET" else (401,)
            assert answer.status_code in expected, f"{method} {address}: {answer.status_code}"
            if method == "GET":
                assert answer.location.startswith("/sign-in?next="), address
            checked += 1
    assert checked > 100
    assert token(client) == waiting
    assert sessions.find_live(token=waiting or "", now=utc_now()) is None


def test_a_waiting_session_is_not_listed(client: FlaskClient, admin: User, house: Organisation) -> None:
    app_of(admin)
    give_password(client.application.test_client(), admin)
    sign_in(client, admin, house)
    assert client.get("/account").text.count("the session used last") == 1


# ---- Limits ---------------------------------------------------------------------------------------------


def test_wrong_codes_are_limited_per_person(client: FlaskClient, admin: User, limits: None) -> None:
    app, codes = app_of(admin)
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        for _ in range(5):
            give_password(client, admin)
            assert give_code(client, "000000").status_code == 422
        other = client.application.test_client()
        give_password(other, admin)
        assert give_code(other, app.now()).status_code == 429
        assert give_code(other, codes[0]).status_code == 429
        assert other.get("/account").status_code == 302
        clock.shift(timedelta(minutes=5, seconds=1))
        assert give_code(other, app.now()).status_code == 303


def test_right_codes_and_empty_fields_cost_no_try(client: FlaskClient, admin: User, limits: None) -> None:
    app, _ = app_of(admin)
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        for _ in range(8):
            give_password(client, admin)
            assert give_code(client, " ").status_code == 422
            assert give_code(client, app.now()).status_code == 303
            clock.shift(timedelta(seconds=31))


def test_the_limits_of_the_hour_and_of_the_day(admin: User, limits: None) -> None:
    start = utc_now()
    with time_machine.travel(start, tick=False) as clock:
        failures = {}
        for hour in range(3):
            clock.move_to(start + timedelta(hours=hour, seconds=hour))
            failures[hour] = 0
            for _ in range(12):
                while throttle.may_try(admin.id):
                    throttle.note_failure(admin.id)
                    failures[hour] += 1
                clock.shift(timedelta(minutes=5))
        assert failures == {0: 20, 1: 20, 2: 10}
        assert not throttle.may_try(admin.id)


def test_without_the_counts_nobody_gets_in(
    client: FlaskClient, admin: User, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, _ = app_of(admin)
    give_password(client, admin)

    def away(*arguments: Any) -> bool:
        raise StoreAway

    monkeypatch.setattr(throttle.limiter.limiter, "test", away)
    assert give_code(client, app.now()).status_code == 503
    assert client.get("/account").status_code == 302


# ---- Who must have one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["admin", "accountant"])
def test_who_holds_money_is_led_to_the_set_up(
    client: FlaskClient, house: Organisation, required: None, role: str
) -> None:
    person = user(organisation=house, role=role, password=PASSWORD)
    give_password(client, person)
    for address in ("/me", "/admin/", "/admin/payouts", "/organisations", "/admin/rates"):
        assert client.get(address).location == "/account/second-factor", address
    assert client.post("/organisations/switch").status_code == 403
    assert client.get("/account").status_code == 200
    page = client.get("/account/second-factor")
    assert page.status_code == 200
    assert "Set up an app or a passkey now" in page.text
    client.post("/account/second-factor/app/new")
    app = shown_secret(client.get("/account/second-factor/app").text)
    assert client.post("/account/second-factor/app", data={"code": app.now()}).status_code == 200
    assert client.get("/admin/").status_code == 200
    # Without it everything is closed again.
    client.post("/account/second-factor/app/remove")
    assert client.get("/admin/").location == "/account/second-factor"
    assert client.post("/sign-out").location == "/sign-in"


def test_an_admin_anywhere_must_have_one_everywhere(
    client: FlaskClient, house: Organisation, required: None
) -> None:
    person = user(organisation=house, role="technician", password=PASSWORD)
    give_password(client, person)
    assert client.get("/technician/").status_code == 200
    other = user(organisation=house, role="technician", password=PASSWORD)
    membership(other, organisation("elsewhere"), "admin")
    browser = client.application.test_client()
    give_password(browser, other)
    assert browser.get("/technician/").location == "/account/second-factor"


def test_who_has_one_goes_on(client: FlaskClient, admin: User, required: None) -> None:
    app, _ = app_of(admin)
    give_password(client, admin)
    give_code(client, app.now())
    assert client.get("/admin/").status_code == 200


def test_in_a_demo_it_is_everybodys_choice(client: FlaskClient, admin: User) -> None:
    give_password(client, admin)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    ("environment", "chosen", "is_required"),
    [
        ("production", "", True),
        ("production", "optional", False),
        ("demo", "", False),
        ("demo", "required", True),
        ("test", "", False),
    ],
)
def test_production_asks_for_it_unless_told_otherwise(
    app: Flask, environment: str, chosen: str, is_required: bool
) -> None:
    settings = app.config["SETTINGS"].model_copy(update={"environment": environment, "second_factor": chosen})
    assert settings.second_factor_required is is_required


def test_an_admin_helps_who_lost_everything(client: FlaskClient, admin: User, house: Organisation) -> None:
    lost = user("ines@solaria.example", organisation=house, role="accountant", password=PASSWORD)
    app_of(lost)
    sign_in(client, admin, house)
    assert "Remove the second factor" in client.get(f"/admin/users/{lost.id}").text
    assert client.post(f"/admin/users/{lost.id}/second-factor/remove").status_code == 303
    assert give_password(client.application.test_client(), lost).location == "/me"
    assert mails()[-1] == "notice.security.factor_removed"
    assert {"people:factors:removed", "people:user:second_factor_removed"} <= set(tags())
    # There is nothing left to remove; and nobody does it to themselves, or to people of other organisations.
    assert client.post(f"/admin/users/{lost.id}/second-factor/remove").status_code == 409
    assert client.post(f"/admin/users/{admin.id}/second-factor/remove").status_code == 409
    app_of(lost)
    membership(lost, organisation("elsewhere"), "admin")
    assert client.post(f"/admin/users/{lost.id}/second-factor/remove").status_code == 409
    assert second_factor.factors_of(lost.id).has_any


def test_the_command_for_the_last_admin(database: Flask, admin: User) -> None:
    app_of(admin)
    run = database.test_cli_runner().invoke
    done = run(remove_second_factor, ["--email", "MAYA@solaria.example", "--reason", "Phone in the lake"])
    assert done.output == "The second factor of maya@solaria.example is removed.\n"
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.tag, event.note) == ("people:factors:removed", "Phone in the lake")
    assert isinstance(run(remove_second_factor, ["--email", "nobody@x.example"]).exception, NotFound)


def test_everything_can_be_taken_from_somebody_who_lost_it(
    client: FlaskClient, admin: User, house: Organisation
) -> None:
    app_of(admin)
    sign_in(client, admin, house)
    with transaction():
        second_factor.remove_all(user_id=admin.id, actor=actor_of(admin), now=utc_now(), note="Lost phone")
    assert client.get("/account").status_code == 302
    assert second_factor.factors_of(admin.id) == second_factor.Factors(None, 0, 0)
    assert mails()[-1] == "notice.security.factor_removed"
    assert "people:factors:removed" in tags()

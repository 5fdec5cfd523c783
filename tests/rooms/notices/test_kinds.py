"""Every kind of mail, written by the worker's own function from what stands in the database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
import tinyhtml5
from flask import Flask
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from jobs import mail as jobs
from jobs import registry
from tests.factories import people
from tests.rooms.notices import world as worlds
from tests.rooms.notices.world import NAMES, World, kind_of, mails
from webapp.audit.models import AuditEvent
from webapp.database import db, transaction
from webapp.kernel.actor import Actor
from webapp.notices import catalogue, digest, preferences
from webapp.notices.letters import PERSONAL_LINK, UNSUBSCRIBE_LINK, browser_in_words
from webapp.notices.marks import Subscription
from webapp.notices.models import Email, NoticeOptOut
from webapp.notices.service import Desk
from webapp.outbox.models import OutboxMessage
from webapp.people import members, users
from webapp.people.models import Membership, Organisation, User
from webapp.portals import registry as portals
from webapp.runs import handlers, tasks
from webapp.runs import service as runs
from webapp.runs.models import RowOutcome, Run, RunRow

HOSTILE = '<img src=x onerror=alert(1)>"\r\nBcc: x@y.example\r\n\u202egnp.\u2066 {{ 1234*5 }} ${1} %0d%0a '
LONG = HOSTILE + "ß" * 10_000


@pytest.fixture(autouse=True)
def _the_time_is_now(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "utc_now", lambda: now)


@pytest.fixture
def world(database: Flask, now: datetime) -> World:
    return worlds.build(now)


def written(world: World, name: str) -> list[Email]:
    """Have the worker carry out the message of a kind; the mails that came of it."""
    before = {email.id for email in mails()}
    registry.handler(kind_of(name))(world.ids[name])
    return [email for email in mails() if email.id not in before]


def one(world: World, name: str, to: str = "") -> Email:
    return next(email for email in written(world, name) if not to or email.to_address == to)


def everything(email: Email) -> str:
    return f"{email.subject}\n{email.body_text}\n{email.body_html}"


def words_of(html: str) -> str:
    body = tinyhtml5.parse(html, namespace_html_elements=False).find("body")
    return " ".join("".join(body.itertext()).split())


def test_every_kind_has_a_job_and_every_job_a_kind() -> None:
    asked = {kind for kind in registry.HANDLERS if kind.startswith("notice.")}
    assert asked == {kind_of(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_written_once_and_complete(world: World, name: str, database: Flask) -> None:
    made = written(world, name)
    assert made
    assert written(world, name) == []
    for email in made:
        kind = catalogue.KINDS[email.notice]
        assert (kind.is_optional) == (UNSUBSCRIBE_LINK in email.body_text)
        assert (kind.is_optional) == (UNSUBSCRIBE_LINK in email.body_html)
        said = everything(email)
        assert "None" not in said
        assert "We never ask for bank details by e-mail." in email.body_text
        assert worlds.OLD_ACCOUNT not in said
        assert worlds.NEW_ACCOUNT not in said
        queued = select(OutboxMessage).where(
            OutboxMessage.kind == "email.send", OutboxMessage.reference_id == email.id
        )
        assert len(db.session.scalars(queued).all()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_text_and_html_say_the_same(world: World, name: str) -> None:
    for email in written(world, name):
        seen = words_of(email.body_html)
        for line in email.body_text.splitlines():
            # Labels and values stand in cells, links behind buttons; the sentences are the same.
            parts = line.split(": ") if ": " in line else [line]
            for part in parts:
                part = " ".join(part.removeprefix("- ").split())
                if part and not part.startswith("http"):
                    assert part.rstrip(".:") in seen, (email.notice, part)
        assert re.search(r'<html lang="en" dir="ltr">', email.body_html)
        assert not re.search(
            r"<(img|script|link|style|iframe|form|object)\b|url\(|\bsrc=|class=", email.body_html
        )
        assert len(re.findall(r"<th ", email.body_html)) == len(
            re.findall(r'<th scope="(?:row|col)"', email.body_html)
        )


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_pages_that_exist_and_only_show(world: World, name: str, database: Flask) -> None:
    for email in written(world, name):
        found = re.findall(r"http://localhost:8000(/[^\s\"<]*)", email.body_text)
        has_mark = PERSONAL_LINK in email.body_text
        assert found or has_mark or email.user_id is None, email.notice
        for path in found:
            try:
                endpoint, _ = database.url_map.bind("localhost").match(path.partition("?")[0])
            except HTTPException as error:
                pytest.fail(f"{email.notice}: {path} leads nowhere ({error})")
            assert endpoint


@pytest.mark.parametrize("text", [HOSTILE, LONG], ids=["hostile", "long"])
@pytest.mark.parametrize("name", NAMES)
def test_what_people_write_is_inert(database: Flask, now: datetime, name: str, text: str) -> None:
    world = worlds.build(now, text)
    for email in written(world, name):
        assert "<img" not in email.body_html
        assert len(email.body_html.encode()) <= 20_000, email.notice
        assert "\r" not in email.body_text + email.subject
        assert "\n" not in email.subject
        assert "\nBcc:" not in email.body_text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", everything(email))
        assert "6170" not in everything(email)
        # Names stand in an element of their own, so that Arabic in one does not turn the sentence around.
        for found in re.finditer(re.escape("&lt;img src=x"), email.body_html.partition("<h1")[2]):
            start = email.body_html.partition("<h1")[2][: found.start()]
            inside = start.count("<bdi>") > start.count("</bdi>") or re.search(r"<caption[^>]*>[^<]*$", start)
            assert inside, (email.notice, start[-80:])


def test_an_invitation_names_who_and_until_when_and_never_holds_the_link(world: World) -> None:
    email = one(world, "invitation")
    assert email.subject == "Solaria invites you to Paydesk"
    assert "Ana Ruiz invites you to sign in at Solaria as technician." in email.body_text
    assert "until 27 Nov 2026, 07:00 EST" in email.body_text
    assert (email.organisation_id, email.user_id, email.link_id) == (
        world.organisation.id, world.maya.id, world.ids["invitation"],
    )  # fmt: skip
    assert PERSONAL_LINK in email.body_text
    assert f'href="{PERSONAL_LINK}"' in email.body_html
    assert "/account/" not in everything(email)


def test_a_reset_is_between_us_and_the_person(world: World) -> None:
    email = one(world, "reset")
    assert email.organisation_id is None
    assert email.to_address == "maya@example.com"
    assert "maya@example.com" in email.body_text


def test_a_link_that_is_over_is_not_mailed(
    world: World, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "utc_now", lambda: now + timedelta(hours=2))
    assert written(world, "reset") == []


def test_a_new_device_is_described(world: World) -> None:
    email = one(world, "new_device")
    for said in ("When: 20 Nov 2026, 07:00 EST", "With: Firefox on Windows", "From: Internet address 203.0.113.7",
                 "I did not do this: choose a new", "Solaria (payouts@solaria.example)", "/forgot"):  # fmt: skip
        assert said in email.body_text
    assert email.organisation_id is None


@pytest.mark.parametrize(("agent", "words"), [
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604.1",
     "Safari on an iPhone"),
    ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36", "Chrome on Android"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/131.0 Safari/537.36 Edg/131.0",
     "Edge on a Mac"),
    ("curl/8.0", "A browser that does not say its name"),
    ("", "A browser that does not say its name"),
])  # fmt: skip
def test_browsers_in_words(agent: str, words: str) -> None:
    assert browser_in_words(agent) == words


def test_two_changes_of_a_password_are_two_mails(world: World, now: datetime) -> None:
    with transaction():
        db.session.add(
            OutboxMessage(kind="notice.security.password_changed", reference_id=world.maya.id, dedupe_key="second",
                          queue="mail", not_before=now, created_at=now + timedelta(minutes=5))
        )  # fmt: skip
    made = written(world, "security_password_changed")
    assert ["07:00" in email.body_text for email in made] == [True, False]
    assert "07:05" in made[1].body_text


def test_asked_details_are_told_under_every_address_and_to_those_who_verify(world: World) -> None:
    made = {email.to_address: email for email in written(world, "details_asked")}
    # The address before the change of three days ago is told, too: whoever took the account over changed it first.
    assert set(made) == {"new@example.com", "maya@example.com", "ana@solaria.example", "ben@solaria.example"}
    for address in ("new@example.com", "maya@example.com"):
        assert made[address].subject == "Your payment details are being changed"
        assert "Until now: bank account ••4821" in made[address].body_text
        assert "New: bank account ••9174" in made[address].body_text
        assert (
            "Not you? Tell us now: answer this mail or write to payouts@solaria.example."
            in made[address].body_text
        )
    assert made["ben@solaria.example"].notice == "details_to_verify"
    assert "/admin/bank-changes/BC-0001" in made["ben@solaria.example"].body_text


def test_a_replaced_address_is_told_and_gets_no_link(world: World) -> None:
    with transaction():
        user = db.session.get_one(User, world.maya.id)
        user.email = "elsewhere@example.com"
    made = {email.to_address: email for email in written(world, "details_verified")}
    assert set(made) == {"new@example.com", "elsewhere@example.com", "maya@example.com"}
    assert "http" not in made["maya@example.com"].body_text
    assert made["maya@example.com"].user_id is None
    assert "/technician/payment-details" in made["new@example.com"].body_text
    assert "Payouts wait until: 22 Nov 2026, 06:00 EST" in made["new@example.com"].body_text


def test_who_asked_does_not_get_the_mail_to_verify(world: World) -> None:
    with transaction():
        change = db.session.get_one(jobs.details.MethodChange, world.ids["details_asked"])
        change.requested_by_id, change.source = world.ana.id, "admin"
    made = written(world, "details_asked")
    assert [e.to_address for e in made if e.notice == "details_to_verify"] == ["ben@solaria.example"]
    payee_mail = next(e for e in made if e.notice == "details_asked")
    assert "Given by: Ana Ruiz of Solaria" in payee_mail.body_text


def test_a_refusal_says_why(world: World) -> None:
    email = one(world, "details_refused")
    assert "Reason: She did not ask for it." in email.body_text
    assert "Stays: bank account ••4821" in email.body_text


def test_a_release_is_told_to_the_payee_and_every_admin(world: World) -> None:
    made = {email.to_address: email for email in written(world, "cool_off_released")}
    assert {"new@example.com", "ana@solaria.example", "ben@solaria.example"} <= set(made)
    assert "She is at the counter." in made["ben@solaria.example"].body_text
    assert "She is at the counter." not in made["new@example.com"].body_text


def test_other_rules_are_told_to_every_admin(world: World) -> None:
    made = written(world, "policy_changed")
    assert {email.to_address for email in made} == {"ana@solaria.example", "ben@solaria.example"}
    assert "Rules that differ: Hours without payment after changed details" in made[0].body_text
    assert [email.to_address for email in written(world, "policy_proposed")] == ["ben@solaria.example"]


def test_the_result_of_a_run(world: World) -> None:
    email = one(world, "bulk_result")
    assert email.subject == "44 done, 3 failed – BA-0192"
    assert "/admin/runs/BA-0192" in email.body_text


@pytest.mark.parametrize(("rows", "minutes", "by_person", "is_told"), [
    (21, 0, True, True), (20, 0, True, False), (3, 2, True, True), (21, 2, False, False),
])  # fmt: skip
def test_a_long_run_of_a_person_is_told(
    world: World,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    minutes: int,
    by_person: bool,
    is_told: bool,
) -> None:
    def done(run: Run, row: RunRow, actor: Actor, now: datetime) -> runs.RowResult:
        return runs.RowResult(RowOutcome.DONE)

    monkeypatch.setitem(handlers.single, "tests.notices", done)
    actor = people.actor_of(world.ana) if by_person else Actor(None, "Paydesk")
    with transaction():
        drafts = [runs.RowDraft(subject_label=str(n)) for n in range(rows)]
        run = runs.create_draft(organisation_id=world.organisation.id, kind="tests.notices", title="All of it",
                                rows=drafts, actor=actor, now=now)  # fmt: skip
        run_id = runs.confirm(
            organisation_id=world.organisation.id, reference=run.reference, actor=actor, now=now
        ).id
    assert runs.step(run_id=run_id, clock=lambda: now + timedelta(minutes=minutes))
    told = select(OutboxMessage.reference_id).where(OutboxMessage.kind == "notice.bulk_result")
    assert list(db.session.scalars(told)) == ([run_id] if is_told else [])
    if is_told:
        jobs.bulk_result(run_id)
        assert mails()[-1].subject.startswith(f"{rows} done – BA-")


def test_the_result_of_an_import(world: World) -> None:
    assert one(world, "import_result").subject == "8 stored, 1 refused – IM-0007"


def test_a_monthly_statement(world: World) -> None:
    email = one(world, "statement")
    assert email.subject == "Your statement for October 2026 is ready"
    assert "Closing balance: $1,234.56" in email.body_text
    assert (email.to_address, email.payee_id) == ("new@example.com", world.payee.id)


def test_a_digest_counts_what_this_person_can_approve(world: World) -> None:
    email = one(world, "digest")
    assert re.fullmatch(r"\d payouts wait for you, oldest 6 days", email.subject)
    n = int(email.subject[0])
    assert f"And {n - 5} more." in email.body_text
    assert email.body_text.count("\n- ") == 5
    assert "/admin/approvals" in email.body_text
    assert "approve?" not in email.body_text


def test_no_digest_when_nothing_waits_or_for_who_is_no_admin(world: World) -> None:
    with transaction():
        role = select(Membership).where(Membership.user_id == world.ana.id)
        db.session.delete(db.session.scalars(role).one())
    assert written(world, "digest") == []


def test_the_morning_asks_for_one_digest_a_day(world: World, now: datetime) -> None:
    task = next(t for t in tasks.registered() if t.name == "notices.digest")
    assert (task.cron, task.per_organisation) == ("0 8 * * *", True)
    # The scheduler imports the application, not the jobs of every room.
    assert digest in portals.REGISTERED
    count = select(OutboxMessage).where(OutboxMessage.kind == "notice.digest")
    before = len(db.session.scalars(count).all())
    for at in (now, now, now + timedelta(hours=7)):
        task.function(world.organisation.id, now, at)
    assert len(db.session.scalars(count).all()) == before + 2
    task.function(world.organisation.id, now + timedelta(days=1), now + timedelta(days=1, minutes=1))
    assert len(db.session.scalars(count).all()) == before + 4
    # A server that was off until the afternoon does not send the morning's mail.
    task.function(world.organisation.id, now + timedelta(days=2), now + timedelta(days=2, hours=7))
    assert len(db.session.scalars(count).all()) == before + 4


@pytest.mark.parametrize(("name", "who"), [("digest", "ana"), ("bulk_result", "ana"), ("import_result", "ana"),
                                           ("statement", "maya")])  # fmt: skip
def test_who_switched_a_mail_off_does_not_get_it(world: World, name: str, who: str, now: datetime) -> None:
    user = world.ana if who == "ana" else world.maya
    with transaction():
        db.session.add(NoticeOptOut(user_id=user.id, notice=name, created_at=now))
    assert written(world, name) == []


def test_a_payee_without_an_account_can_switch_the_statement_off(world: World, now: datetime) -> None:
    with transaction():
        db.session.get_one(jobs.work.Payee, world.payee.id).user_id = None
    subscription = Subscription("statement", payee_id=world.payee.id)
    actor = jobs.service.WORKER
    with transaction():
        assert preferences.choose(subscription=subscription, is_wanted=False, actor=actor, now=now)
    assert written(world, "statement") == []
    with transaction():
        assert preferences.choose(subscription=subscription, is_wanted=True, actor=actor, now=now)
    assert one(world, "statement").user_id is None
    tags = db.session.scalars(select(AuditEvent.tag).where(AuditEvent.tag.startswith("notices:choice")))
    assert sorted(tags) == ["notices:choice:off", "notices:choice:on"]


def test_without_an_address_to_answer_to_the_mail_says_whom_to_tell(world: World) -> None:
    with transaction():
        db.session.get_one(Organisation, world.organisation.id).contact_email = ""
    assert "Not you? Tell us now: tell Solaria." in one(world, "details_asked").body_text


def test_the_desk_is_the_installation(app: Flask, database: Flask) -> None:
    desk: Desk = jobs._desk()
    assert desk.public_url == app.config["SETTINGS"].public_url


def test_changed_contact_is_told_to_the_former_address_too(world: World) -> None:
    to = {email.to_address for email in written(world, "contact_changed")}
    assert "new@example.com" in to
    assert len(to) > 1
    bodies = [email.body_text for email in mails() if email.notice == "contact_changed"]
    assert all("E-mail address" in body and "new@example.com" not in body for body in bodies)


def test_who_has_not_accepted_an_invitation_as_admin_reads_no_mail_of_the_admins(
    database: Flask, now: datetime
) -> None:
    organisation = people.organisation()
    admin = people.user(organisation=organisation, role="admin")
    with transaction():
        users.invite(
            organisation_id=organisation.id, email="mistyped@example.com", name="", roles=["admin"],
            actor=people.actor_of(admin), now=now,
        )  # fmt: skip
    assert [user.id for user in members.active_admins(organisation.id)] == [admin.id]

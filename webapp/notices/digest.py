"""The approvers' morning mail: what waits for them. Only to who can approve, only when something waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from webapp import queue
from webapp.database import db, transaction
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.notices import queries
from webapp.notices.compose import say_money
from webapp.notices.delivery import to_user
from webapp.notices.letters import Letter
from webapp.notices.models import Email
from webapp.notices.service import Desk
from webapp.outbox import service as outbox
from webapp.payouts import approval_queue, lists
from webapp.payouts.models import Payout
from webapp.people import members
from webapp.people.models import Organisation, User
from webapp.runs import tasks

DIGEST = "notice.digest"
# Local time of the organisation.
DIGEST_AT = "0 8 * * *"
# A digest that could not be sent in the morning is not sent at night.
DIGEST_LATE = timedelta(hours=6)
TOP = 5


def _count(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def queue_digests(organisation_id: int, due_at: datetime, now: datetime) -> None:
    """Periodic, each morning: a digest for every admin; whether something waits is looked at when it is written."""
    if now - due_at > DIGEST_LATE:
        return
    with transaction():
        organisation = db.session.get_one(Organisation, organisation_id)
        day = due_at.astimezone(ZoneInfo(organisation.timezone)).date()
        for admin in members.active_admins(organisation_id):
            outbox.add(
                kind=DIGEST,
                reference_id=admin.id,
                dedupe_key=f"{DIGEST}:{organisation_id}:{admin.id}:{day}",
                to_queue=queue.MAIL,
                organisation_id=organisation_id,
                now=now,
            )


tasks.register_task("notices.digest", queue_digests, cron=DIGEST_AT, per_organisation=True)


def digests(user_id: int, *, desk: Desk) -> list[Email]:
    """The digests that are due for a user, one for each organisation where payouts wait for them. Raises NotFound."""
    user = db.session.get(User, user_id)
    if user is None:
        raise NotFound
    made = []
    for message in queries.open_messages(DIGEST, user_id):
        organisation = db.session.get(Organisation, message.organisation_id or 0)
        is_admin = organisation is not None and user.id in {
            a.id for a in members.active_admins(organisation.id)
        }
        if organisation is None or not is_admin:
            continue
        if letter := _digest(organisation, user, desk):
            made.append(to_user(letter, user, f"digest:{message.id}", organisation, desk))
    return [email for email in made if email is not None]


def _digest(organisation: Organisation, user: User, desk: Desk) -> Letter | None:
    """What waits for this person and can be approved by them now; None when nothing does."""
    who = approval_queue.approver(organisation=organisation, user_id=user.id, now=desk.now)
    ready = approval_queue.in_view(who, lists.PayoutFilter(), "ready").order_by(None)
    sums = ready.with_only_columns(Payout.currency, Payout.amount_minor, Payout.created_at).subquery()
    found = db.session.execute(
        select(sums.c.currency, func.count(), func.sum(sums.c.amount_minor), func.min(sums.c.created_at))
        .group_by(sums.c.currency)
        .order_by(sums.c.currency)
    ).all()
    if not found:
        return None
    count, oldest = sum(row[1] for row in found), min(row[3] for row in found)
    largest = (
        ready.options(joinedload(Payout.payee)).order_by(Payout.amount_minor.desc(), Payout.id).limit(TOP)
    )
    top = db.session.scalars(largest).unique().all()

    def said(money: Money) -> str:
        return say_money(money, home_currency=organisation.currency, locale=organisation.locale)

    total = ", ".join(said(Money(int(amount), code)) for code, _, amount, _ in found)
    age = _age(oldest, desk.now)
    return Letter(
        folder="digest",
        organisation=organisation.name,
        name=user.name,
        rows=(("Payouts", f"{count:,}"), ("Oldest", age or "today"), ("In total", total)),
        values={
            "count_words": _count(count, "payout waits", "payouts wait"),
            "oldest": age,
            "total": total,
            "left_out": count - len(top),
            "top": [
                {
                    "payee": p.payee.name,
                    "reference": p.reference,
                    "age": _age(p.created_at, desk.now) or "today",
                    "amount": said(Money(p.amount_minor, p.currency)),
                }
                for p in top
            ],
        },
        link=f"{desk.public_url}/admin/approvals",
        is_optional=True,
    )


def _age(since: datetime, now: datetime) -> str:
    days = (now - since).days
    return _count(days, "day") if days > 0 else ""

"""What is held back of technicians' payouts: the list, charging back, another day, releasing what is due."""

from __future__ import annotations

from typing import Any

from flask import flash, g, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit.views.files import remember
from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import NotFound
from webapp.kernel.money import Money
from webapp.payouts.states import PayoutState
from webapp.payouts.views import listing as addresses
from webapp.payouts.views import program_lists
from webapp.payouts.views.program_pages import Area, act_page, form_of, list_page, money, today
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, require_change
from webapp.programs.installations import retaining, retention_lists, work
from webapp.programs.installations.retention_lists import RetentionFilterForm
from webapp.programs.installations.retention_models import Retention
from webapp.programs.installations.retention_rules import RetentionState
from webapp.web import filters, list_files, table_files
from webapp.web.form_fields import ActForm, AmountField, day_field, reason_field
from webapp.web.htmx import see_other
from webapp.web.table_files import Kind

AREA = Area(
    "admin.installations",
    "Installations",
    (
        ("index", "All installations"),
        ("pay", "Due"),
        ("needs_rate", "Needs a rate"),
        ("rejected", "Waiting for a decision"),
        ("retention", "Held back"),
        ("totals", "Technicians"),
    ),
)
SUMS = (("amount", "Held back"), ("charged", "Charged back"), ("held", "Still held"))


class ChargeForm(ActForm):
    """How much of it is kept, and why."""

    amount = AmountField("Amount", example="25.00")
    reason = reason_field("Reason", "The inverter was wired again.")


class DayForm(ActForm):
    """When it is released, and why then."""

    release_on = day_field("Release on", must=True)
    reason = reason_field("Reason", "The customer signed the final report.")


def index() -> ResponseReturnValue:
    """The list, with its filter and order."""
    form: RetentionFilterForm = form_of(RetentionFilterForm, formdata=request.args)
    is_valid = form.validate()
    found = retention_lists.retentions(g.organisation.id, form.chosen()) if is_valid else None
    files = [
        (each.upper(), addresses.address("admin.installations.retention_file", format=each))
        for each in table_files.FORMATS
    ]
    context = program_lists.list_context(AREA, found, "retention", "part", files=files)
    rows = [row_of(row) for row in context["page"].items]
    return list_page(
        AREA, "installations/retention.html", form, "retention", is_valid=is_valid, rows=rows,
        due=len(retaining.payees_due(g.organisation.id, utc_now())), **context,
    )  # fmt: skip


def row_of(row: Any) -> dict[str, Any]:
    """A row of the list, as templates show it."""
    return {
        "row": row,
        "state": RetentionState(row.state),
        "amount": money(row.amount_minor, row.currency),
        "charged": money(row.charged_minor, row.currency),
        "is_held": row.state == RetentionState.HELD,
        "is_chargeable": row.state == RetentionState.HELD and row.payout_state == PayoutState.PAID,
    }


def totals() -> ResponseReturnValue:
    """Count and sums of a filter."""
    form: RetentionFilterForm = form_of(RetentionFilterForm, formdata=request.args)
    found = retention_lists.retentions(g.organisation.id, form.chosen()) if form.validate() else None
    return program_lists.totals_page(AREA, found, form, "retention", SUMS, "Parts")


def file(format: str) -> ResponseReturnValue:
    """Exactly the filter as a file. Raises NotFound where the filter cannot be read."""
    form: RetentionFilterForm = form_of(RetentionFilterForm, formdata=request.args)
    if not form.validate():
        raise NotFound("This filter cannot be read. Go back to the list.")
    of = retention_lists.retentions(g.organisation.id, form.chosen())
    c = of.query.selected_columns
    table = list_files.table(
        of=of, sort=of.sort(request.args.get("sort")), summed=SUMS, made_at=utc_now(),
        title=f"Held back, {g.organisation.name}", words=list_files.filter_words(form, request.args),
        fields=(
            list_files.field("installation", "Installation", c.installation, width=12),
            list_files.field("technician", "Technician", c.technician, width=16),
            list_files.field("technician_reference", "Technician number", c.technician_reference, width=9),
            list_files.field("payout", "Held back with", c.payout, width=14),
            list_files.field("release_on", "Released on", c.release_on, Kind.DAY),
            list_files.field("state", "State", c.state, words=list_files.words_of(RetentionState)),
            list_files.currency(c.currency),
            list_files.amount("amount", "Held back", c.amount_minor),
            list_files.amount("charged", "Charged back", c.charged_minor),
            list_files.field("reason", "Reason", c.reason, width=20),
            list_files.field("release_payout", "Released with", c.release_payout, width=14),
        ),
    )  # fmt: skip
    remember("installations:retention:exported", "installations_retention", format.upper())
    return table_files.response(table, format, f"held-back-{g.organisation.slug}.{format}")


@needs_fresh_sign_in
def release() -> ResponseReturnValue:
    """Start the run that pays out everything whose day has come."""
    require_change()
    with transaction():
        run = work.start_release(organisation_id=g.organisation.id, actor=actor(), now=utc_now())
        reference = run.reference if run else None
    if reference is None:
        flash("Nothing is to be released today. No payout was created.", "info")
        return see_other(url_for(".retention"))
    return see_other(url_for("admin.runs.show", reference=reference))


def _act(retention_id: int, form: ActForm, call: Any, fill: Any, **words: Any) -> ResponseReturnValue:
    """The page of one act upon what is held back."""
    row = retaining.find(g.organisation.id, retention_id)
    held, charged = (Money(n, row.currency) for n in (row.amount_minor, row.charged_minor))

    def opened() -> None:
        form.version.data = str(row.version)
        fill(row)

    return act_page(
        AREA, form, call=call, fill=opened, back=(url_for(".retention"), "Held back"),
        facts=[
            ("Technician", row.payee.name), ("Installation", row.installation.reference),
            ("Held back", filters.money(held)), ("Charged back already", filters.money(charged)),
            ("Release on", filters.day(row.release_on)), ("State", RetentionState(row.state).label),
        ],
        **words,
    )  # fmt: skip


def charge(retention_id: int) -> ResponseReturnValue:
    """Keep a part of it, for a reason."""
    require_change()
    form: ChargeForm = form_of(ChargeForm, retaining.find(g.organisation.id, retention_id).currency)

    def call() -> str:
        row = retaining.charge(
            organisation_id=g.organisation.id, retention_id=retention_id, amount_minor=form.amount.minor or 0,
            reason=form.reason.data or "", actor=actor(), now=utc_now(), expected_version=form.seen_version,
        )  # fmt: skip
        return f"{filters.money(money(form.amount.minor or 0, row.currency))} of {row.installation.reference} is kept."

    def fill(row: Retention) -> None:
        form.amount.data = money(row.amount_minor - row.charged_minor, row.currency).plain

    return _act(
        retention_id, form, call, fill, title="Charge back", button="Charge back", tone="danger",
        explains="It is not paid out any more. The technician sees the amount and the reason; the rest is released.",
    )  # fmt: skip


def set_day(retention_id: int) -> ResponseReturnValue:
    """Release it on another day."""
    require_change()
    form: DayForm = form_of(DayForm)

    def call() -> str:
        row = retaining.set_day(
            organisation_id=g.organisation.id, retention_id=retention_id, release_on=form.release_on.data or today(),
            reason=form.reason.data or "", actor=actor(), now=utc_now(), expected_version=form.seen_version,
        )  # fmt: skip
        return f"{row.installation.reference} is released on {filters.day(row.release_on)}."

    def fill(row: Retention) -> None:
        form.release_on.data = row.release_on

    return _act(
        retention_id, form, call, fill, title="Release on another day", button="Save the day",
        explains="It is paid out by itself in the night after its day, once the payout it was held back of is paid.",
    )  # fmt: skip

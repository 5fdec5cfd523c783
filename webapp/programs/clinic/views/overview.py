"""The first page of a clinic: what needs somebody, the plots; and how the program is run."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from flask import g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.kernel.clock import utc_now
from webapp.payouts.views.program_pages import act_page, form_of, money, today
from webapp.payouts.views.words import short_wording, wording
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.clinic import figures, lists, wallets
from webapp.programs.clinic.drafts import SettingsDraft
from webapp.programs.clinic.forms import SettingsForm
from webapp.programs.clinic.settings import change_settings, settings_of
from webapp.programs.clinic.views.area import AREA
from webapp.web import charts

MONTHS = 6


def _since(day: date) -> date:
    """The first day of the month five months ago."""
    months = day.year * 12 + day.month - MONTHS
    return date(months // 12, months % 12 + 1, 1)


def _figure(rows: list[lists.Month], currency: str) -> charts.BarFigure | None:
    if not rows:
        return None
    say = wording(currency)
    collected, out = sum(row.collected_minor for row in rows), sum(row.paid_out_minor for row in rows)
    left = sum(row.outstanding_minor for row in rows)
    return charts.bars(
        key="months",
        title=f"Collected, outstanding and paid out, {currency}",
        finding=(
            f"{say(collected)} came in, {say(out)} of it went into practitioners' wallets; "
            f"{say(left)} is outstanding."
        ),
        categories=[row.month for row in rows],
        series=[
            charts.Series("Collected", tuple(row.collected_minor for row in rows)),
            charts.Series("Outstanding", tuple(row.outstanding_minor for row in rows)),
            # Below the line: it is a part of what came in, and on top of it would be counted twice.
            charts.Series("Paid out", tuple(-row.paid_out_minor for row in rows)),
        ],
        say=say,
        say_tick=short_wording(currency, g.organisation.locale),
        category_header="Month",
    )


def _waterfall(found: figures.Flow | None, currency: str) -> charts.RowFigure | None:
    """From what customers paid to what practitioners got; what is nothing has no row."""
    if found is None:
        return None
    say = wording(currency)
    rest = found.not_paid_out_minor
    changes = [
        ("Refunded", -found.refunded_minor),
        ("Tax", -found.tax_minor),
        ("Not paid out" if rest > 0 else "Paid out of what came before", -rest),
        ("Commission", -found.commission_minor),
        ("Rent and fees", -found.charged_minor),
    ]
    finding = (
        f"Of {say(found.received_minor)} that customers paid, {say(found.to_practitioners_minor)} went to "
        f"practitioners and {say(found.commission_minor)} is commission"
    )
    finding += f"; the gateway kept {say(found.gateway_minor)} of it." if found.gateway_minor else "."
    return charts.waterfall(
        key="gross-to-net",
        title=f"From gross to net in {MONTHS} months, {currency}",
        finding=finding,
        start=("Received", found.received_minor),
        changes=[(label, amount) for label, amount in changes if amount],
        end_label="To practitioners",
        say=say,
    )


def index() -> ResponseReturnValue:
    """What needs somebody, and where the money of the last months went."""
    here = g.organisation
    since = _since(today())
    needs = lists.needs(here.id, today())
    tasks = [
        (needs["ready"], "invoice is ready to be paid out", "invoices are ready to be paid out",
         "Paid by the customer, and not by you to the practitioner.", url_for(".invoices", payout="ready")),
        (needs["late"], "invoice is overdue", "invoices are overdue", "The day has passed; not all is paid.",
         url_for(".invoices", state="open")),
        (needs["blocked"], "invoice waits for a decision", "invoices wait for a decision",
         "Its payout was rejected or cancelled. Offer it again, or dismiss it.",
         url_for(".invoices", payout="blocked")),
    ]  # fmt: skip
    return render_template(
        "clinic/index.html",
        area=AREA,
        tab="index",
        tasks=[
            {"count": n, "title": f"1 {one}" if n == 1 else f"{n:,} {many}", "text": text, "href": href}
            for n, one, many, text, href in tasks
            if n
        ],
        figure=_figure(lists.months(here.id, here.currency, since), here.currency),
        flow=_waterfall(figures.flow(here.id, here.currency, since), here.currency),
        balance=money(wallets.balance(here.id, wallets.CLINIC, here.currency), here.currency),
        may_change=may_change(),
        now=utc_now(),
    )


@needs_fresh_sign_in
def settings() -> ResponseReturnValue:
    """How the program is run; accountants look."""
    here = g.organisation
    row = settings_of(here.id)
    form: SettingsForm = form_of(SettingsForm)
    if request.method == "POST":
        require_change()

    def fill() -> None:
        values: dict[str, Any] = {name: getattr(row, name) for name in asdict(SettingsDraft())}
        minimum = values.pop("withdrawal_minimum_minor")
        for name, value in values.items():
            form[name].data = value
        form.withdrawal_minimum.data = money(minimum, here.currency).plain
        form.version.data = str(row.version)

    def call() -> str:
        change_settings(
            organisation_id=here.id,
            draft=form.draft(),
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )
        return "The settings are saved. What is paid out already stays as it is."

    return act_page(
        AREA, form, title="How the clinic is run", button="Save", back=(url_for(".settings"), "the settings"),
        call=call, fill=fill, template="clinic/settings.html", tab="settings", may_change=may_change(),
    )  # fmt: skip

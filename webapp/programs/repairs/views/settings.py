"""How the program is run, and the payment matrix: versions, and what another one does to amounts that people know."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid
from webapp.kernel.money import Money, exponent
from webapp.payouts.views.program_pages import act_page, form_of, money
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in, require_fresh
from webapp.people.views.session import actor, may_change, require_change
from webapp.programs.repairs import settings as service
from webapp.programs.repairs.fleet_forms import EXCESS, MatrixForm, SettingsForm, matrix_form, settings_form
from webapp.programs.repairs.models import MatrixVersion
from webapp.programs.repairs.rules import Matrix, plan_amounts
from webapp.programs.repairs.views.area import AREA
from webapp.web import filters
from webapp.web.htmx import see_other

#: What a matrix makes of these says how it works, in hundredths of the major unit: bounds, and just above them.
CHECKED = (
    200_00, 200_50, 201_00, 450_00, 500_00, 500_50, 501_00, 1_000_00, 1_001_00, 1_200_00, 1_500_00, 3_000_00,
    3_000_50, 3_001_00, 5_000_00,
)  # fmt: skip
#: Empty rows that a form of the matrix offers beyond the bands there are.
SPARE = 2


def _say(minor: int) -> str:
    return Money(minor, g.organisation.currency).plain


@needs_fresh_sign_in
def settings() -> ResponseReturnValue:
    """How the program is run; accountants look."""
    here = g.organisation
    row = service.settings_of(here.id)
    form: SettingsForm = form_of(settings_form())
    if request.method == "POST":
        require_change()

    def call() -> str:
        service.change_settings(
            organisation_id=here.id, draft=form.draft(), expected_version=form.seen_version, actor=actor(),
            now=utc_now(),
        )  # fmt: skip
        return (
            "The settings are saved. The next receipts follow them; those that are issued stay as they are."
        )

    return act_page(
        AREA, form, title="How repairs are run", button="Save", back=(url_for(".settings"), "the settings"),
        call=call, fill=lambda: form.fill(row, _say), template="repairs/settings.html", tab="settings",
        may_change=may_change(), excess=EXCESS,
    )  # fmt: skip


def matrix() -> ResponseReturnValue:
    """The payment matrix with its versions; a form that shows the effect of another one, and stores it."""
    if request.method == "POST":
        require_change()
        if request.form.get("act") == "save" and (answer := require_fresh()) is not None:
            return answer
        return _change_matrix()
    now, newest = service.matrix_of(g.organisation.id), service.matrix_version(g.organisation.id)
    form: MatrixForm = form_of(matrix_form(len(now.bands) + SPARE))
    form.fill(now, _say)
    form.version.data = str(newest.version if newest else 0)
    return _matrix_page(form, 200)


def _typed_rows() -> int:
    text = request.form.get("rows", "")
    n = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else SPARE
    return max(1, min(n, service.MOST_BANDS))


def _change_matrix() -> ResponseReturnValue:
    here, act = g.organisation.id, request.form.get("act")
    more = SPARE if act == "more" else 0
    form: MatrixForm = form_of(matrix_form(min(_typed_rows() + more, service.MOST_BANDS)))
    if act == "more":
        return _matrix_page(form, 200)
    if not form.validate():
        return _matrix_page(form, 422)
    try:
        wanted = form.matrix()
        service.check_matrix(wanted)
        if act != "save":
            # The effect first; nothing is stored.
            return _matrix_page(form, 200, wanted)
        with transaction():
            version = service.change_matrix(
                organisation_id=here,
                matrix=wanted,
                expected_version=form.seen_version,
                actor=actor(),
                now=utc_now(),
            ).version
    except Invalid as error:
        attach(form, error)
        return _matrix_page(form, 422)
    except Conflict as error:
        return _matrix_page(form, 409, wanted, conflict=error.message)
    flash(
        f"Version {version} of the matrix counts for new plans. Plans that stand are not touched.", "success"
    )
    return see_other(url_for(".matrix"))


def _matrix_page(
    form: MatrixForm, code: int, wanted: Matrix | None = None, conflict: str = ""
) -> ResponseReturnValue:
    here = g.organisation
    now = service.matrix_of(here.id)
    versions = service.matrix_versions(here.id)
    form.rows.data = str(len(form.bands()))
    return (
        render_template(
            "repairs/matrix.html", area=AREA, tab="settings", form=form, bands=bands(now), wanted=wanted is not None,
            wanted_bands=bands(wanted) if wanted else [], checks=checks(now, wanted),
            versions=[_version_row(row) for row in versions], conflict=conflict, back=url_for(".matrix"),
            fold=_fold(now), wanted_fold=_fold(wanted) if wanted else "", may_change=may_change(),
            has_errors=code == 422, can_grow=len(form.bands()) < service.MOST_BANDS,
        ),
        code,
    )  # fmt: skip


def bands(matrix: Matrix) -> list[tuple[str, str]]:
    """Each band in words: ("Over 200.00 to 500.00", "100.00 a week")."""
    found, here = [], g.organisation.currency
    rows = sorted(matrix.bands, key=lambda band: band.over_minor)
    for n, band in enumerate(rows):
        over = filters.money(money(band.over_minor, here))
        upto = filters.money(money(rows[n + 1].over_minor, here)) if n + 1 < len(rows) else ""
        first = (
            f"Over {over} to {upto}"
            if band.over_minor and upto
            else f"Over {over}"
            if band.over_minor
            else ""
        )
        weekly = (
            "in full"
            if band.weekly_minor is None
            else f"{filters.money(money(band.weekly_minor, here))} a week"
        )
        found.append((first or (f"Up to {upto}" if upto else "Every amount"), weekly))
    return found


def _version_row(row: MatrixVersion) -> dict[str, Any]:
    """A stored version with its bands in one line: "0.00: in full, 200.00: 100.00"."""
    parts = [f"{_say(over)}: {'in full' if weekly is None else _say(weekly)}" for over, weekly in row.bands]
    fold = money(row.fold_below_minor, row.currency) if row.fold_below_minor else None
    return {
        "version": row.version, "words": ", ".join(parts), "fold": fold, "by": row.created_by_label,
        "at": row.created_at,
    }  # fmt: skip


def _fold(matrix: Matrix) -> str:
    if not matrix.fold_below_minor:
        return ""
    words = filters.money(money(matrix.fold_below_minor, g.organisation.currency))
    return f"A remainder below {words} joins the instalment before it."


def plan_words(matrix: Matrix, amount_minor: int) -> str:
    """What a matrix makes of an amount: "4 × 250.00 + 200.00"; why, where it makes no plan."""
    try:
        parts = plan_amounts(amount_minor, matrix)
    except ValueError as error:
        return f"No plan: {error}"
    groups = [(part, len(list(same))) for part, same in groupby(parts)]
    return " + ".join(f"{n} × {_say(part)}" if n > 1 else _say(part) for part, n in groups)


def checks(now: Matrix, wanted: Matrix | None) -> list[dict[str, Any]]:
    """What the matrix, and another one beside it, makes of amounts that people know."""
    here = g.organisation.currency
    scale = 10 ** exponent(here)
    found = []
    for hundredths in CHECKED:
        minor = hundredths * scale // 100
        row = {"amount": money(minor, here), "now": plan_words(now, minor), "wanted": "", "differs": False}
        if wanted is not None:
            row["wanted"] = plan_words(wanted, minor)
            row["differs"] = row["wanted"] != row["now"]
        found.append(row)
    return found

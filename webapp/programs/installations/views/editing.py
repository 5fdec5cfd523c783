"""Forms that add and change installations, move them along and add files."""

from __future__ import annotations

from flask import flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.database import transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, IllegalTransition, Invalid
from webapp.people.forms import attach
from webapp.people.views.session import actor, require_change
from webapp.programs.installations import files, queries, service
from webapp.programs.installations.forms import CommissionForm, InstallationForm, ShareRow
from webapp.programs.installations.models import Installation, InstallationStatus
from webapp.programs.installations.views import common, listing
from webapp.providers import keeping
from webapp.web import uploads
from webapp.web.htmx import see_other

BLANK_ROWS = 2
MAXIMUM_ROWS = 20


def _form(existing: Installation | None = None) -> InstallationForm:
    organisation = g.organisation
    return InstallationForm(
        types=common.type_choices(existing.installation_type if existing else ""),
        currency=existing.currency if existing else organisation.currency,
        locale=organisation.locale,
    )


def _rows() -> list[ShareRow]:
    """The share rows as they were sent."""
    names = request.form.getlist("technician")[:MAXIMUM_ROWS]
    percents = request.form.getlist("percent")[:MAXIMUM_ROWS]
    percents += [""] * (len(names) - len(percents))
    return [ShareRow(name.strip(), percent.strip()) for name, percent in zip(names, percents, strict=False)]


def _rows_of(row: Installation) -> list[ShareRow]:
    total = sum(share.weight for share in row.shares)
    is_equal = len({share.weight for share in row.shares}) == 1
    return [
        ShareRow(share.payee.reference, "" if is_equal else f"{share.weight * 100 / total:.2f}")
        for share in row.shares
    ]


def _technicians(row: Installation | None = None) -> dict[str, tuple[int, str]]:
    """Reference → (id, name) of everybody who may have a share; who has one already stays choosable."""
    people = {p.reference: (p.id, p.name) for p in queries.technicians_of(g.organisation.id)}
    if row is not None:
        people |= {s.payee.reference: (s.payee_id, s.payee.name) for s in row.shares}
    return people


def _page(
    form: InstallationForm, rows: list[ShareRow], row: Installation | None, code: int, conflict: str = ""
) -> ResponseReturnValue:
    blank = BLANK_ROWS if not rows or request.form.get("more") else max(0, BLANK_ROWS - len(rows))
    return (
        render_template(
            "installations/form.html",
            form=form,
            installation=row,
            share_rows=[*(r for r in rows if r.technician or r.percent), *[ShareRow()] * max(blank, 1)],
            technicians=_technicians(row),
            conflict=conflict,
            has_errors=code == 422,
        ),
        code,
    )


def create() -> ResponseReturnValue:
    """Add an installation."""
    require_change()
    form, rows = _form(), _rows()
    if request.method == "GET" or request.form.get("more"):
        return _page(form, rows, None, 200)
    if form.validate():
        ids = {reference: ident for reference, (ident, _) in _technicians().items()}
        try:
            with transaction():
                reference = service.create_installation(
                    organisation_id=g.organisation.id,
                    draft=form.draft(rows, ids),
                    actor=actor(),
                    now=utc_now(),
                ).reference
        except Invalid as error:
            attach(form, error)
        else:
            flash(f"{reference} is added.", "success")
            return see_other(url_for(".show", reference=reference))
    return _page(form, rows, None, 422)


def edit(reference: str) -> ResponseReturnValue:
    """Change an installation; 409 keeps the text when somebody else was faster or a payout has it."""
    require_change()
    row = queries.get_installation(g.organisation.id, reference)
    form = _form(row)
    del form.status
    if request.method == "GET":
        form.fill(row)
        return _page(form, _rows_of(row), row, 200)
    rows = _rows()
    if request.form.get("more"):
        return _page(form, rows, row, 200)
    if form.validate():
        ids = {ref: ident for ref, (ident, _) in _technicians(row).items()}
        try:
            _save(reference, form, rows, ids, row.status)
        except Invalid as error:
            attach(form, error)
        except Conflict as error:
            return _conflict(form, rows, reference, error)
        else:
            flash("The changes are saved.", "success")
            return see_other(url_for(".show", reference=reference))
    return _page(form, rows, row, 422)


def _save(
    reference: str, form: InstallationForm, rows: list[ShareRow], ids: dict[str, int], status: str
) -> None:
    with transaction():
        service.update_installation(
            organisation_id=g.organisation.id,
            reference=reference,
            draft=form.draft(rows, ids, status),
            expected_version=form.seen_version,
            actor=actor(),
            now=utc_now(),
        )


def _conflict(
    form: InstallationForm, rows: list[ShareRow], reference: str, error: Conflict
) -> ResponseReturnValue:
    row = queries.get_installation(g.organisation.id, reference)
    form.version.data = str(row.version)
    return _page(form, rows, row, 409, error.message)


def change_status(reference: str) -> ResponseReturnValue:
    """Move an installation along; the page comes back with the reason when it cannot be."""
    require_change()
    form = CommissionForm()
    code, message = 422, ""
    if form.validate_on_submit():
        try:
            with transaction():
                row = service.change_status(
                    organisation_id=g.organisation.id,
                    reference=reference,
                    status=form.status.data or "",
                    commissioned_on=form.commissioned_on.data,
                    actor=actor(),
                    now=utc_now(),
                )
                label = InstallationStatus(row.status).label
        except Invalid as error:
            message = error.message
        except (IllegalTransition, Conflict) as error:
            code, message = 409, error.message
        else:
            flash(f"{reference} is {label.lower()} now.", "success")
            return see_other(url_for(".show", reference=reference))
    message = message or "; ".join(str(e) for errors in form.errors.values() for e in errors)
    return _show_again(reference, code, message)


def _show_again(reference: str, code: int, message: str) -> ResponseReturnValue:
    row = queries.get_installation(g.organisation.id, reference)
    context = listing.show_context(row)
    return render_template("installations/show.html", **context, problem=message, has_errors=True), code


def add_file(reference: str) -> ResponseReturnValue:
    """Keep a photo or certificate after a look at its bytes."""
    require_change()
    try:
        upload = uploads.check(request.files.get("file"))
        # Bytes first: no transaction waits for the storage.
        with (
            keeping.kept("installations", organisation_id=g.organisation.id, upload=upload) as kept,
            transaction(),
        ):
            name = files.add_file(
                organisation_id=g.organisation.id,
                reference=reference,
                kept=kept,
                actor=actor(),
                now=utc_now(),
            ).name
    except Invalid as error:
        return _show_again(reference, 422, error.message)
    except Conflict as error:
        return _show_again(reference, 409, error.message)
    flash(f"{name} is kept with {reference}.", "success")
    return see_other(url_for(".show", reference=reference))

"""What the bank gave back: the list of return files, bringing one in, what each line led to."""

from __future__ import annotations

from flask import Blueprint, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from webapp.bankfiles import answers, queries, returns, vault
from webapp.bankfiles.forms import ReturnForm
from webapp.bankfiles.models import BankReturn
from webapp.bankfiles.returns import Effect
from webapp.bankfiles.states import Word
from webapp.database import db, transaction
from webapp.imports.views.upload import safe_name
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Invalid
from webapp.kernel.ids import new_uid
from webapp.people.forms import attach
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.providers import storage
from webapp.web.htmx import see_other
from webapp.web.pagination import Page, capped_count, keyset
from webapp.web.uploads import MAXIMUM_BYTES

SHOWN = 500


def index() -> ResponseReturnValue:
    """All return files, newest first."""
    query = queries.returns(g.organisation.id)
    page = keyset(query, BankReturn.id)
    count = capped_count(query, BankReturn.id)
    label = f"{count} return file{'s' if count != '1' else ''}"
    return render_template(
        "bankfiles/returns.html",
        page=Page(page.items, page.previous_href, page.next_href, label),
        Effect=Effect,
        may_change=may_change(),
        now=utc_now(),
    )


@needs_fresh_sign_in
def bring() -> ResponseReturnValue:
    """Bring a return file in; what is no such file is refused before anything is kept."""
    require_change()
    form = ReturnForm()
    if form.validate_on_submit():
        try:
            reference, sentence = _brought(request.files.get("file"))
        except Invalid as error:
            attach(form, error)
        else:
            flash(sentence, "success")
            return see_other(url_for("admin.bankfiles.return_file", reference=reference))
    code = 422 if form.errors else 200
    columns = returns.answer_columns(g.organisation.id)
    return render_template("bankfiles/bring.html", form=form, has_columns=bool(columns)), code


def _brought(file: FileStorage | None) -> tuple[str, str]:
    if file is None or not file.filename:
        raise Invalid("file", "Choose the bank's file.", "pain002.xml")
    data = file.stream.read(MAXIMUM_BYTES + 1)
    if not data or len(data) > MAXIMUM_BYTES:
        raise Invalid("file", f"The file is empty, or larger than {MAXIMUM_BYTES // 2**20} MB.")
    organisation_id, who, name, uid = g.organisation.id, actor(), safe_name(file.filename), new_uid()
    read = answers.read(data, returns.answer_columns(organisation_id))
    is_known = returns.find_same(organisation_id, data) is not None
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    stored = None if is_known else vault.put(vault.RETURNS, uid, data)
    try:
        with transaction():
            row = returns.bring_in(
                organisation_id=organisation_id, answers=read, data=data, file_name=name, uid=uid,
                stored=stored, actor=who, now=utc_now(),
            )  # fmt: skip
            is_first = row.uid == uid
            taken, reference = row.counts.get(Effect.APPLIED.value, 0), row.reference
    except BaseException:
        if stored is not None:
            storage.delete(stored[0])
        raise
    if stored is not None and not is_first:
        storage.delete(stored[0])
    again = "" if is_first else "This file was brought in before. "
    return reference, f"{again}{taken} answers are taken; the payouts follow within seconds."


def return_file(reference: str) -> ResponseReturnValue:
    """One return file: what each of its lines led to, what needs a person first."""
    row = queries.get_return(g.organisation.id, reference)
    order = {effect.value: n for n, effect in enumerate((*returns.ORDER[1:], returns.ORDER[0]))}
    lines = sorted(row.lines, key=lambda line: order.get(line["effect"], 0))
    words = {word.value: word for word in Word}
    return render_template(
        "bankfiles/return_file.html",
        row=row,
        lines=lines[:SHOWN],
        more=max(0, len(lines) - SHOWN),
        counts=[(effect, row.counts[effect.value]) for effect in Effect if row.counts.get(effect.value)],
        effects={effect.value: effect for effect in Effect},
        words=words,
    )


def add_to(blueprint: Blueprint) -> None:
    """Add these pages."""
    blueprint.add_url_rule("/returns", "returns", index)
    blueprint.add_url_rule("/returns/new", "bring", bring, methods=["GET", "POST"])
    blueprint.add_url_rule("/returns/<reference>", "return_file", return_file)

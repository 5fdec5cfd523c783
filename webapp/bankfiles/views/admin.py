"""Bank files: what waits, making one, the two people, handing it over."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.bankfiles import making, queries, service, setups, vault
from webapp.bankfiles.forms import MakeForm
from webapp.bankfiles.models import BankFile, BankFileItem
from webapp.bankfiles.states import FileState, Format, Word
from webapp.bankfiles.views import pages, returns, settings, words
from webapp.bankfiles.writing import Unwritable
from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from webapp.kernel.money import Money
from webapp.people.views.fresh import needs_fresh_sign_in
from webapp.people.views.session import actor, may_change, require_change
from webapp.providers import storage
from webapp.web.htmx import see_other
from webapp.web.pagination import Page, capped_count, keyset

# Adds the file to the pages of payouts.
REGISTERED = (words,)
blueprint = Blueprint("bankfiles", __name__, url_prefix="/bank-files")


@blueprint.get("")
def index() -> ResponseReturnValue:
    """All files, newest first, and what waits for the next one."""
    query = queries.files(g.organisation.id)
    page = keyset(query, BankFile.id)
    count = capped_count(query, BankFile.id)
    rows = [
        {"row": row, "state": FileState(row.state), "format": Format(row.format).label}
        for row in page.items
    ]  # fmt: skip
    return render_template(
        "bankfiles/index.html",
        page=Page(
            page.items, page.previous_href, page.next_href, f"{count} file{'s' if count != '1' else ''}"
        ),
        rows=rows,
        waiting=[(n, Money(total, code)) for code, n, total in queries.waiting_counts(g.organisation.id)],
        formats=[Format(code) for code in sorted(setups.of_organisation(g.organisation.id))],
        may_change=may_change(),
        now=utc_now(),
    )


@blueprint.get("/new")
def new() -> ResponseReturnValue:
    """The check: what would go into a file, what would not and why, with totals and the file's own hash."""
    require_change()
    kept = setups.of_organisation(g.organisation.id)
    wanted = request.args.get("format", "") or next(iter(sorted(kept)), "")
    if wanted and wanted not in list(Format):
        raise NotFound
    return pages.check_page(wanted, sorted(kept))


@blueprint.post("/new/<kind>")
def make(kind: str) -> ResponseReturnValue:
    """Make the file that the check page showed, and no other one."""
    if kind not in list(Format):
        raise NotFound
    form = MakeForm()
    try:
        if not form.validate():
            raise Conflict("The page was not complete. Look at it again; nothing was made.")
        reference = _made(kind, form.seen.data or "")
    except (Conflict, Invalid, Unwritable) as error:
        db.session.rollback()
        return pages.check_page(kind, sorted(setups.of_organisation(g.organisation.id)), str(error))
    flash(f"{reference} is made. A second person must approve it now.", "success")
    return see_other(url_for(".show", reference=reference))


def _made(file_format: str, envelope: str) -> str:
    """Write the bytes again, store them sealed, then claim the transfers; answers the file's reference."""
    who, now = actor(), utc_now()
    seen = making.open_seen(envelope, g.organisation.id, who.user_id, file_format, now)
    if (there := queries.find_by_uid(g.organisation.id, seen.uid)) is not None:
        return there.reference  # the same page sent twice
    draft = making.make_again(organisation=g.organisation, file_format=file_format, seen=seen)
    if draft.written is None:
        raise Conflict("No payout can go into this file; nothing was made.")
    # The storage may be another host that is slow: no transaction waits for it.
    db.session.rollback()
    key, sealed = vault.put(vault.FILES, draft.uid, draft.written.data)
    try:
        with transaction():
            return making.keep(made=draft, storage_key=key, sealed=sealed, actor=who, now=now).reference
    except BaseException:
        storage.delete(key)
        raise


@blueprint.post("/waiting/<int:transfer_id>/take-back")
def take_back(transfer_id: int) -> ResponseReturnValue:
    """A payout that is not to leave in a file after all."""
    with transaction():
        payout = service.take_back(
            organisation_id=g.organisation.id, transfer_row_id=transfer_id, actor=actor(), now=utc_now()
        )
        reference = payout.reference
    flash(
        f"{reference} does not wait for a file any more. It is failed, and can be paid in another way.",
        "success",
    )
    return see_other(url_for("admin.payouts.show", reference=reference))


@blueprint.get("/<reference>")
def show(reference: str) -> ResponseReturnValue:
    """One file: figures to compare, who did what, the list, what can be done next."""
    file = queries.get_file(g.organisation.id, reference)
    page = keyset(queries.items(file).order_by(None), BankFileItem.id, newest_first=False)
    counts = queries.word_counts(file.id)
    said = [(word, *counts[word.value]) for word in Word if word.value in counts]
    return render_template(
        "bankfiles/show.html",
        page=Page(page.items, page.previous_href, page.next_href, f"{file.item_count} payments"),
        words=[(word, n, Money(total, file.currency)) for word, n, total in said],
        open_words=sum(n for word, n, _ in said if word in (Word.NONE, Word.ACCEPTED)),
        Word=Word,
        **pages.file_context(file),
    )


@blueprint.post("/<reference>/download")
@needs_fresh_sign_in
def download(reference: str) -> ResponseReturnValue:
    """The file's bytes, the same every time; every download is in the audit trail."""
    file = queries.get_file(g.organisation.id, reference)
    name, sha256, place = file.file_name, file.sha256, (file.uid, file.storage_key, file.data_key_encrypted)
    db.session.rollback()
    data = vault.get(vault.FILES, *place)
    if pages.hash_of(data) != sha256:
        raise Unavailable("The stored file is not the one that was approved. Nothing was given out.")
    try:
        with transaction():
            service.note_download(
                organisation_id=g.organisation.id, reference=reference, actor=actor(), now=utc_now()
            )
    except (Conflict, NotAllowed) as error:
        flash(error.message, "error")
        return see_other(url_for(".show", reference=reference))
    response = Response(data, mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


for _slug in pages.ACTIONS:
    blueprint.add_url_rule(f"/<reference>/{_slug}", _slug, pages.action_view(_slug), methods=["GET", "POST"])
returns.add_to(blueprint)
settings.add_to(blueprint)

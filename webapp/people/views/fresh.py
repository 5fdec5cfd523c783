"""Re-authentication: money and security actions ask who is there when the last proof is too old.

A page that is opened leads to /account/confirm and back. A form that is sent is answered with the question
(403), in a dialog or on a page; what was typed is sealed into that page, and comes back with the proof in one
request: nothing typed is lost, nothing of it can be read there. Files are not kept; the page says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from flask import (
    Blueprint,
    Response,
    after_this_request,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.datastructures import ImmutableMultiDict

from webapp.database import db, transaction
from webapp.kernel.clock import utc_now
from webapp.kernel.errors import Conflict
from webapp.people import proving, throttle
from webapp.people.access import second_factor
from webapp.people.forms import ProofForm
from webapp.people.models import UserSession
from webapp.people.views import proofs
from webapp.people.views.paths import local_path
from webapp.people.views.session import COOKIE_KEY, actor
from webapp.secrets import SecretsError, key_ring
from webapp.web.guards import SAFE_METHODS
from webapp.web.htmx import see_other
from webapp.web.i18n import N_

# How long a password or second factor counts as a proof that the person is still the same.
WINDOW = timedelta(minutes=10)
HELD = "held_form"
OWN_DIALOGS = ("dialog", "drawer")
# The field by which the dialog asks for the same question on a page of its own.
ELSEWHERE = "ask_on_a_page"
WRONG = N_("That is not right. Try again.")
EMPTY = N_("Enter your password, or a code.")
View = TypeVar("View", bound=Callable[..., Any])
blueprint = Blueprint("confirm", __name__, url_prefix="/account/confirm")


def is_fresh() -> bool:
    """Whether the signed-in person proved who they are within the last ten minutes."""
    return bool(utc_now() - current_user.reauthenticated_at <= WINDOW)


def needs_fresh_sign_in(view: View) -> View:
    """A view whose action moves money or opens doors: the person proves who they are first."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        if (answer := require_fresh()) is not None:
            return answer
        return cast(ResponseReturnValue, view(*args, **kwargs))

    guarded.needs_fresh_sign_in = True  # type: ignore[attr-defined]
    return cast(View, guarded)


def open_without_factor(view: View) -> View:
    """A page for people who are still to set up a second factor; there are few."""
    view.is_open_without_factor = True  # type: ignore[attr-defined]
    return view


def require_fresh() -> ResponseReturnValue | None:
    """None when the view may go on; else the answer that asks for a proof. Call it before reading the form.

    A form that comes back with a right proof is put in place of the request's own.
    """
    if request.method in SAFE_METHODS:
        return None if is_fresh() else _lead_to_question()
    held = _opened()
    if held is None:
        return None if is_fresh() else _ask(_sealed(), 403)
    if not is_fresh():
        proof = proofs.sent_proof()
        if proofs.is_empty(proof):
            # From the dialog to the page where passkeys work; or somebody pressed the button too early.
            is_moving = ELSEWHERE in request.form
            return _ask(request.form[HELD], 403 if is_moving else 422, "" if is_moving else EMPTY)
        if not _accept(proof):
            return _ask(request.form[HELD], 422, WRONG)
    _restore(held)
    return None


# ---- What was typed -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """A form that waits for its sender's proof; `target` is where htmx was to put the answer."""

    fields: list[tuple[str, str]]
    target: str
    has_files: bool


def _binding() -> str:
    # Of no use in another session, or at another address.
    return f"held_form.{current_user.session_id}.{request.full_path}"


def _is_kept(name: str) -> bool:
    return name not in ("csrf_token", HELD) and not name.startswith(proofs.PREFIX) and "password" not in name


def _sealed() -> str:
    held = {
        "fields": [[n, v] for n, v in request.form.items(multi=True) if _is_kept(n)],
        "target": _target(),
        "has_files": any(file.filename for file in request.files.values()),
    }
    return key_ring().encrypt({"form": json.dumps(held)}, _binding())


def _opened() -> Held | None:
    """The form that came back, if this is one. Raises Conflict when it is not this session's."""
    envelope = request.form.get(HELD)
    return None if envelope is None else _open(envelope)


def _open(envelope: str) -> Held:
    try:
        values = json.loads(key_ring().decrypt(envelope, _binding()).reveal()["form"])
    except SecretsError:
        raise Conflict(
            "This question was asked in another session. Go back and send the form again."
        ) from None
    return Held([(n, v) for n, v in values["fields"]], values["target"], values["has_files"])


def _restore(held: Held) -> None:
    request.form = ImmutableMultiDict(held.fields)
    # Made from the form as it came, where something read it before.
    request.__dict__.pop("values", None)
    if held.target and held.target not in OWN_DIALOGS:

        @after_this_request
        def _close(response: Response) -> Response:
            response.headers["HX-Trigger-After-Swap"] = "closeDialog"
            return response


# ---- The question ---------------------------------------------------------------------------------------


def _target() -> str:
    """The id of the element that htmx puts the answer into; empty for a plain request."""
    target = request.headers.get("HX-Target", "") if request.headers.get("HX-Request") else ""
    return target if re.fullmatch(r"[A-Za-z][\w-]{0,60}", target) else ""


def _context(error: str) -> dict[str, Any]:
    factors = second_factor.factors_of(current_user.id)
    form = ProofForm(formdata=None)
    if error:
        form.form_errors.append(error)
    return {
        "form": form,
        "has_errors": bool(error),
        "has_app": factors.app_since is not None,
        "has_passkeys": factors.n_passkeys > 0,
        "minutes": int(WINDOW.total_seconds() // 60),
    }


def _ask(envelope: str, code: int, error: str = "") -> Response:
    """The question, with the form that waits for it sealed inside."""
    held = _open(envelope)
    is_dialog = bool(request.headers.get("HX-Request"))
    page = render_template(
        "people/confirm_send.html",
        in_dialog=is_dialog,
        dialog_id="drawer" if _target() == "drawer" else "dialog",
        action=request.full_path.rstrip("?"),
        held_name=HELD,
        held=envelope,
        target=held.target or "dialog",
        has_files=held.has_files,
        elsewhere_name=ELSEWHERE,
        **_context(error),
    )
    response = make_response(page, code)
    if is_dialog and _target() not in OWN_DIALOGS:
        response.headers["HX-Retarget"] = "#dialog"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def _lead_to_question() -> ResponseReturnValue:
    """From a page to the question and back; a dialog asks in itself."""
    if request.headers.get("HX-Request") and _target() not in OWN_DIALOGS:
        came_from = re.sub(r"^https?://[^/]+", "", request.headers.get("HX-Current-URL", ""))
        return see_other(url_for("public.confirm.show", next=local_path(came_from)))
    return redirect(url_for("public.confirm.show", next=request.full_path.rstrip("?")), 303)


def _accept(proof: proving.Proof) -> bool:
    """Try the proof; when it is right the session goes on under a new token."""
    proofs.require_tries(current_user.id)
    now = utc_now()
    with transaction():
        row = db.session.get_one(UserSession, current_user.session_id)
        token = proving.confirm(row=row, proof=proof, site=proofs.site(), actor=actor(), now=now)
    if token is None:
        throttle.note_failure(current_user.id)
        return False
    # The rest of the cookie stays: forms in other windows are still good.
    cookie[COOKIE_KEY] = token
    current_user.reauthenticated_at = now
    return True


def _way_on(address: str | None) -> str:
    target = local_path(address)
    is_circle = target is not None and target.startswith(url_for("public.confirm.show"))
    return url_for("public.people.me") if target is None or is_circle else target


@blueprint.route("", methods=["GET", "POST"])
@open_without_factor
def show() -> ResponseReturnValue:
    """Ask for the password, a code or a passkey, and lead back to where the person was going."""
    target = _way_on(request.values.get("next"))
    if is_fresh() and request.method == "GET":
        return redirect(target, 303)
    error = ""
    if request.method == "POST":
        proof = proofs.sent_proof()
        error = EMPTY if proofs.is_empty(proof) else "" if _accept(proof) else WRONG
        if not error:
            return redirect(target, 303)
    page = render_template(
        "people/confirm.html",
        in_dialog=_target() in OWN_DIALOGS,
        dialog_id=_target() or "dialog",
        next=target,
        **_context(error),
    )
    return page, 422 if error else 200

"""Re-authentication: money and security actions ask who is there when the last proof is too old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from flask import abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from webapp.kernel.clock import utc_now
from webapp.web.guards import SAFE_METHODS

# How long a password or second factor counts as a proof that the person is still the same.
WINDOW = timedelta(minutes=10)
View = TypeVar("View", bound=Callable[..., Any])


def is_fresh() -> bool:
    """Whether the signed-in person proved who they are within the last ten minutes."""
    return bool(utc_now() - current_user.reauthenticated_at <= WINDOW)


def require_fresh() -> ResponseReturnValue | None:
    """None for a fresh sign-in; else the answer that asks for a proof."""
    if is_fresh():
        return None
    if request.method in SAFE_METHODS:
        return redirect(url_for("public.people.sign_in", next=request.full_path.rstrip("?")), 303)
    abort(403, "Confirm that it is you, then send this again. Nothing was changed.")


def needs_fresh_sign_in(view: View) -> View:
    """A view whose action moves money or opens doors: the person proves who they are first."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        if (answer := require_fresh()) is not None:
            return answer
        return cast(ResponseReturnValue, view(*args, **kwargs))

    guarded.needs_fresh_sign_in = True  # type: ignore[attr-defined]
    return cast(View, guarded)

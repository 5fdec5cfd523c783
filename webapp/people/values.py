"""What the records of people have in common: checked names and addresses, and a conflict said as a refusal."""

from __future__ import annotations

from typing import Any

from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError

from webapp.database import db
from webapp.kernel.errors import Invalid


def store(row: Any, conflict: Invalid) -> None:
    """Insert inside a savepoint; a unique constraint that says no becomes the given Invalid."""
    try:
        with db.session.begin_nested():
            db.session.add(row)
    except IntegrityError as error:
        raise conflict from error


def check_email(text: str, field: str = "email") -> str:
    """An e-mail address in lower case; only its form is checked. Raises Invalid."""
    try:
        checked = validate_email(text.strip(), check_deliverability=False)
    except EmailNotValidError:
        raise Invalid(field, "This is not an e-mail address.", "maya@example.com") from None
    return checked.normalized.lower()


def check_name(text: str, maximum: int = 120) -> str:
    """A name on one line, without blanks around it. Raises Invalid."""
    name = " ".join(text.split())
    if not name or len(name) > maximum:
        raise Invalid("name", f"Enter a name of up to {maximum} characters.", "Maya Fernandez")
    return name

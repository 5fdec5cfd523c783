"""Structured logs, one JSON object a line; secrets and account numbers never reach them.

Every line of a request carries its request id, every line of a worker its job and outbox row: both are bound to
structlog's context variables by whoever begins the work.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from webapp.config import Settings

HIDDEN = "[hidden]"
TEXT_LIMIT = 4_000
TRACE_LIMIT = 20_000
_DEEPEST = 6

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase|code)?$|password|secret|token|authori[sz]ation|cookie|credential|api_?key|private_?key"
    r"|account_?(number|no)|^account$|iban|^vpa$|^upi|otp|recovery_?code|^details$|csrf|signature",
    re.IGNORECASE,
)
# Our own words that only sound like it.
_HARMLESS = frozenset({"token_id"})
# Random ids of our own: masking them would cut the thread that they are there for.
_OWN_IDS = frozenset({"request_id", "job_id", "transfer_id"})
_ID_FORM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAMED = re.compile(
    r"(?i)\b((?:[\w-]*(?:password|passwd|secret|token|api[_-]?key|credential)[\w-]*)|set-cookie|cookie|"
    r"(?:proxy-)?authorization|otp|iban|account[ _-]?(?:number|no))"
    r"([\"']?\s*[:=]\s*[\"']?)(?:(?:bearer|basic|digest)\s+)?([^\s\"',;&)}\]]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@", re.IGNORECASE)
_SEALED = re.compile(r"\bv1\.[A-Za-z0-9]+\.[\w-]{10,}\.[\w-]+")
_LINK = re.compile(r"(/(?:account/(?:invitation|reset)|unsubscribe|rent)/)[^\s\"'?#]+")
_KEY_TEXT = re.compile(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)")
_LONG_NUMBER = re.compile(r"\b[A-Z]{0,4}\d{8,34}\b")
_GROUPED_NUMBER = re.compile(r"\b(?:[A-Z]{2}\d{2}|\d{4})(?:[ -][A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b")


def _last_four(found: re.Match[str]) -> str:
    return "••" + found.group()[-4:]


def scrub_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """A text without what looks like a secret or an account, cut to `limit` characters."""
    text = _KEY_TEXT.sub(HIDDEN, text)
    text = _LINK.sub(rf"\1{HIDDEN}", text)
    text = _USERINFO.sub(rf"\1:{HIDDEN}@", text)
    text = _SEALED.sub(HIDDEN, text)
    text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    for pattern in (_IBAN, _GROUPED_NUMBER, _LONG_NUMBER):
        text = pattern.sub(_last_four, text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _scrub_value(key: str, value: Any, depth: int = 0) -> Any:
    if key not in _HARMLESS and _SECRET_KEY.search(key):
        return HIDDEN
    if key in _OWN_IDS and isinstance(value, str) and _ID_FORM.fullmatch(value):
        return value
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {scrub_text(str(k)): _scrub_value(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrub_value("", v, depth + 1) for v in value]
    # Objects are written as their text, so they are scrubbed as one; bytes show their readable part.
    text = value if isinstance(value, str) else str(value)
    return scrub_text(text, TRACE_LIMIT if key == "exception" else TEXT_LIMIT)


def scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank values whose names sound secret, and what looks like a secret or an account in every text."""
    for key, value in list(event.items()):
        if key in ("timestamp", "level"):
            continue
        event[key] = _scrub_value(key, value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    scrub,
]


def configure(settings: Settings) -> None:
    """Set structlog up for this process, and what libraries log; quiet in tests."""
    is_test = settings.environment == "test"
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL if is_test else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    if not is_test:
        _take_over_libraries()


def _take_over_libraries() -> None:
    """Warnings of libraries come out in the same form, scrubbed the same way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.contextvars.merge_contextvars,
                               structlog.processors.add_log_level,
                               structlog.processors.TimeStamper(fmt="iso", utc=True)],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info, scrub, structlog.processors.JSONRenderer()],
        )
    )  # fmt: skip
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)

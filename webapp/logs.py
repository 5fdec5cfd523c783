"""Structured logs, one JSON object a line; secrets and account numbers never reach them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from webapp.config import Settings

_SECRET = re.compile(r"password|secret|token|authorization|cookie|account_number|api_key", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"\b\d{9,18}\b")


def scrub(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank values whose names sound secret, and mask long digit runs in texts."""
    for key, value in event.items():
        if _SECRET.search(key):
            event[key] = "[hidden]"
        elif isinstance(value, str) and key not in ("timestamp", "level", "exception"):
            event[key] = _LONG_NUMBER.sub(lambda m: "••" + m.group()[-4:], value)
    return event


def configure(settings: Settings) -> None:
    """Set structlog up for this process; quiet in tests."""
    level = logging.CRITICAL if settings.environment == "test" else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )

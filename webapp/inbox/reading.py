"""A message as people may read it: laid out, with accounts, addresses and numbers of people masked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from webapp.logs import scrub_text
from webapp.providers.ports import mask

# Ids of transfers, orders and payments and the bank's own reference are what a person looks for: they stay whole.
PLAIN = frozenset(
    {"transfer_id", "cf_transfer_id", "transfer_utr", "utr", "batch_transfer_id", "cf_batch_transfer_id",
     "transferid", "referenceid", "merchantorderid", "orderid", "merchantrefundid", "originalmerchantorderid",
     "refundid", "transactionid", "upitransactionid", "settlementid", "merchantid", "timestamp", "expireat",
     "event_time", "added_on", "updated_on", "eventtime"}
)  # fmt: skip
_PRIVATE = re.compile(
    r"account|phone|mobile|card|vpa|signature|secret|email|accountholder|iban", re.IGNORECASE
)
_ADDRESS = re.compile(r"\b([A-Za-z0-9])[A-Za-z0-9._-]*@([A-Za-z][A-Za-z0-9.]*)")
LONGEST = 20_000
# Signs that no text has stand around a number until it is laid out: 1.00 stays 1.00.
_LEFT, _RIGHT = "\ue000", "\ue001"
_NUMBER = re.compile(rf'"{_LEFT}(-?[0-9.eE+-]+){_RIGHT}"')


class _Number(str):
    """A number with a point, as it was written."""


def readable(body: bytes, content_type: str) -> str:
    """The body laid out and masked; what is no JSON and no form, as its beginning in printable signs."""
    text = body.decode("utf-8", "replace")
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return _cut("\n".join(f"{n} = {_masked(n, v)}" for n, v in parse_qsl(text, keep_blank_values=True)))
    try:
        value = json.loads(text, parse_float=_Number)
        laid_out = json.dumps(_masked("", value), indent=2, ensure_ascii=False)
        return _cut(_NUMBER.sub(r"\1", laid_out))
    except (ValueError, RecursionError):
        return _cut(_hide(text))


def _cut(text: str) -> str:
    shown = "".join(
        sign if sign == "\n" or sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}\n…"


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(str(k)): _masked(str(k), v) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(name, v) for v in value]
    if isinstance(value, _Number) and (name.lower() in PLAIN or not _PRIVATE.search(name)):
        return f"{_LEFT}{value}{_RIGHT}"
    if name.lower() in PLAIN or isinstance(value, bool) or value is None:
        return _plain(value) if isinstance(value, str) else value
    if _PRIVATE.search(name):
        return f"••{str(value)[-4:]}" if len(str(value)) > 4 and "@" not in str(value) else _hide(str(value))
    return _hide(value) if isinstance(value, str) else value


def _plain(text: str) -> str:
    return text.replace(_LEFT, "").replace(_RIGHT, "")


def _hide(text: str) -> str:
    text = _plain(text)
    hidden = _ADDRESS.sub(lambda found: f"{found[1]}•••@{found[2]}", text)
    return str(mask(scrub_text(hidden, 2 * LONGEST)))

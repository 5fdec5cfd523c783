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


def readable(body: bytes, content_type: str) -> str:
    """The body laid out and masked; what is no JSON and no form, as its beginning in printable signs."""
    text = body.decode("utf-8", "replace")
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        return _cut("\n".join(f"{n} = {_masked(n, v)}" for n, v in parse_qsl(text, keep_blank_values=True)))
    try:
        value = json.loads(text)
        return _cut(json.dumps(_masked("", value), indent=2, ensure_ascii=False))
    except (ValueError, RecursionError):
        return _cut(_hide(text))


def _cut(text: str) -> str:
    shown = "".join(
        sign if sign == "\n" or sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}\n…"


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _masked(str(k), v) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(name, v) for v in value]
    if name.lower() in PLAIN or isinstance(value, bool) or value is None:
        return value
    if _PRIVATE.search(name):
        return f"••{str(value)[-4:]}" if len(str(value)) > 4 and "@" not in str(value) else _hide(str(value))
    return _hide(value) if isinstance(value, str) else value


def _hide(text: str) -> str:
    hidden = _ADDRESS.sub(lambda found: f"{found[1]}•••@{found[2]}", text)
    return str(mask(scrub_text(hidden, 2 * LONGEST)))

"""What PhonePe takes and what it answers to the rest: `{"code", "message"}`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from webapp.simulator.core import Said

_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NOTE = re.compile(r"[A-Za-z0-9_ \-@.+]{0,50}")
LEAST, LARGEST = 100, 10**13
SHORTEST, LONGEST, USUAL = 300, 3600, 1200
_KNOWN = frozenset(
    {"merchantOrderId", "amount", "expireAfter", "metaInfo", "paymentFlow", "disablePaymentRetry",
     "prefillUserLoginDetails", "deviceContext", "constraints"}
)  # fmt: skip
MODES = ("UPI_INTENT", "UPI_COLLECT", "UPI_QR", "NET_BANKING", "CARD")


class Refused(Exception):
    """The request is answered by an error."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.body["code"])
        self.said = said


def error(code: str, message: str, status: int = 400) -> Said:
    """An error as PhonePe writes it."""
    return Said(status, {"code": code, "message": message})


def refuse(message: str, code: str = "BAD_REQUEST", status: int = 400) -> Refused:
    """The exception of an error."""
    return Refused(error(code, message, status))


@dataclass(frozen=True)
class Order:
    """A request to pay."""

    order_id: str
    amount_minor: int
    message: str
    redirect_url: str
    seconds: int
    may_retry: bool
    modes: tuple[str, ...]
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refund:
    """A request to give money back."""

    refund_id: str
    order_id: str
    amount_minor: int


def json_object(text: str) -> dict[str, Any]:
    """The object of a body, without the fields that are null: PhonePe's own kit sends those. Raises Refused."""
    try:
        body = json.loads(text)
    except ValueError:
        raise refuse("The body is not JSON") from None
    if not isinstance(body, dict):
        raise refuse("The body is not an object")
    return {name: value for name, value in body.items() if value is not None}


def _id(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise refuse(f"{name} has 1 to 63 letters, digits, _ or -")
    return value


def _amount(body: dict[str, Any]) -> int:
    value = body.get("amount")
    if not isinstance(value, int) or isinstance(value, bool) or not LEAST <= value <= LARGEST:
        raise refuse("amount is a whole number of paise, 100 at least")
    return value


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise refuse(f"{name} is an object")
    return {key: each for key, each in value.items() if each is not None}


def order(body: dict[str, Any]) -> Order:
    """A request to pay, checked. Raises Refused."""
    if unknown := sorted(set(body) - _KNOWN):
        raise refuse(f"{unknown[0]} is not a field of this request")
    order_id, amount = _id(body, "merchantOrderId"), _amount(body)
    seconds = body.get("expireAfter", USUAL)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST <= seconds <= LONGEST:
        raise refuse(f"expireAfter is {SHORTEST} to {LONGEST} seconds")
    flow = _object(body, "paymentFlow")
    if flow.get("type") != "PG_CHECKOUT":
        raise refuse("paymentFlow.type is PG_CHECKOUT")
    message = flow.get("message", "")
    if not isinstance(message, str):
        raise refuse("paymentFlow.message is a text")
    address = _object(flow, "merchantUrls").get("redirectUrl", "")
    if not isinstance(address, str) or urlsplit(address).scheme not in ("http", "https"):
        raise refuse("paymentFlow.merchantUrls.redirectUrl is an address")
    return Order(
        order_id, amount, message[:250], address, seconds, body.get("disablePaymentRetry") is not True,
        _modes(flow), _meta(body),
    )  # fmt: skip


def _meta(body: dict[str, Any]) -> dict[str, str]:
    given = _object(body, "metaInfo") if "metaInfo" in body else {}
    for name, value in given.items():
        number = int(name[3:]) if re.fullmatch(r"udf\d{1,2}", name) else 0
        if not 1 <= number <= 15 or not isinstance(value, str) or len(value) > 256:
            raise refuse("metaInfo has udf1 to udf15, texts of 256 signs at most")
        if number > 10 and not _NOTE.fullmatch(value):
            raise refuse(f"metaInfo.{name} has 50 letters, digits or _ -@.+ at most")
    return given


def _modes(flow: dict[str, Any]) -> tuple[str, ...]:
    """The ways to pay that the page offers."""
    config = _object(flow, "paymentModeConfig") if "paymentModeConfig" in flow else {}
    if len(config) > 1 or set(config) - {"enabledPaymentModes", "disabledPaymentModes"}:
        raise refuse("paymentModeConfig names enabledPaymentModes or disabledPaymentModes")
    for name, listed in config.items():
        if not isinstance(listed, list) or not all(
            isinstance(each, dict) and each.get("type") in MODES for each in listed
        ):
            raise refuse(f"{name} is a list of payment modes")
        named = {each["type"] for each in listed}
        return tuple(mode for mode in MODES if (mode in named) == (name == "enabledPaymentModes"))
    return MODES


def refund(body: dict[str, Any]) -> Refund:
    """A request to give money back, checked. Raises Refused."""
    return Refund(_id(body, "merchantRefundId"), _id(body, "originalMerchantOrderId"), _amount(body))

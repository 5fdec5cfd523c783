"""How PhonePe says what its books hold: in answers and in messages."""

from __future__ import annotations

import json
from sqlite3 import Row
from typing import Any


def describe(row: Row, *, with_ids: bool = False, all_tries: bool = True) -> dict[str, Any]:
    """An order as the status call (and, `with_ids`, a message) shows it."""
    body: dict[str, Any] = {
        "orderId": row["reference"], "state": row["state"], "amount": row["amount_minor"],
        "payableAmount": row["amount_minor"], "feeAmount": 0, "expireAt": row["expires_at"],
    }  # fmt: skip
    if with_ids:
        body = {"merchantId": row["client_id"], "merchantOrderId": row["order_id"], **body}
    if row["error_code"]:
        body |= {"errorCode": row["error_code"], "detailedErrorCode": row["detail"]}
    if meta := json.loads(row["meta"]):
        body["metaInfo"] = meta
    tries = json.loads(row["tries"])
    body["paymentDetails"] = tries if all_tries else tries[-1:]
    return body


def describe_refund(row: Row) -> dict[str, Any]:
    """A refund as the status call and a message show it."""
    body: dict[str, Any] = {
        "merchantId": row["client_id"], "merchantRefundId": row["refund_id"],
        "originalMerchantOrderId": row["order_id"], "refundId": row["reference"], "amount": row["amount_minor"],
        "state": row["state"], "timestamp": row["updated_at"],
    }  # fmt: skip
    if row["error_code"]:
        body |= {"errorCode": row["error_code"], "detailedErrorCode": row["error_code"]}
    rail = {"type": "UPI", "utr": row["utr"]} if row["utr"] else {"type": "UPI"}
    body["paymentDetails"] = [
        {"transactionId": row["reference"], "paymentMode": "UPI_QR", "timestamp": row["updated_at"],
         "amount": row["amount_minor"], "state": row["state"], "rail": rail}
    ]  # fmt: skip
    return body


def describe_settlement(row: Row) -> dict[str, Any]:
    """A settlement as its status call and its message show it."""
    return {
        "settlementId": row["settlement_id"], "merchantId": row["client_id"], "state": "PROCESSED",
        "amount": row["amount_minor"], "utr": row["utr"], "timestamp": row["at"],
    }  # fmt: skip

"""A bank whose books outlive the process that asks it, and whose answers can be as bad as a network's.

Its books are a file that is only added to. Unless told to, it does not notice duplicates: every POST that reaches it
moves money, so that only Paydesk itself keeps a payout from being paid twice.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.proof.events import point
from webapp.providers.ports import CREDENTIALS, DUPLICATE, UNREADABLE, Answer, Outcome, TransferOrder

#: What meets a transfer once, on its way there or back.
FAULTS = (
    "", "lost", "time-out", "broken", "5xx before", "5xx after", "refused connection", "duplicate", "unreadable",
    "wrong id", "throttled", "keys refused", "stale", "status away", "accepted then 404", "late",
)  # fmt: skip
#: What becomes of a transfer that it took in.
OUTCOMES = ("settles", "fails", "returns", "pending", "bank away")

# A bank is asked side by side only while it is slow.
_SLOWLY = 0.02
_TIME_OUT = Answer(Outcome.UNKNOWN, message="No answer within the time limit.")


class FileBank:
    """The rail "sandbox" for the length of a trial."""

    name = "sandbox"
    needs_details = False
    # How many calls it takes side by side.
    at_once = 1

    def __init__(
        self, path: Path, fault: str = "", outcome: str = "settles", *, knows_ids: bool = False
    ) -> None:
        self.path, self.fault, self.outcome, self.knows_ids = path, fault, outcome, knows_ids

    # ------------------------------------------------------------ the books

    def note(self, what: str, transfer_id: str) -> None:
        line = json.dumps([what, transfer_id]) + "\n"
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def entries(self) -> list[tuple[str, str]]:
        """Everything that happened, in order: (taken, met, asked, late, told; transfer id)."""
        if not self.path.exists():
            return []
        return [tuple(json.loads(line)) for line in self.path.read_text().splitlines()]

    def _count(self, what: str, transfer_id: str) -> int:
        return self.entries().count((what, transfer_id))

    def debits(self) -> Counter[str]:
        """How often money left for each transfer, whether it stayed away or came back."""
        taken = Counter(i for what, i in self.entries() if what == "taken")
        return Counter({i: n for i, n in taken.items() if self._moves(i)})

    def _moves(self, transfer_id: str) -> bool:
        """Whether what it took in of this transfer has left, or will."""
        if self.outcome == "bank away":
            return self._first_taken() != transfer_id
        return self.outcome != "fails"

    def _first_taken(self) -> str:
        return next((i for what, i in self.entries() if what == "taken"), "")

    # ------------------------------------------------------------ what Paydesk asks

    def send(self, order: TransferOrder) -> Answer:
        """Take it in, unless the fault of this bank comes first; each transfer meets the fault once."""
        point("bank: before the request")
        answer = self._send(order.transfer_id, order)
        if self.at_once > 1:
            time.sleep(_SLOWLY)
        point("bank: after the answer")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _send(self, transfer_id: str, order: TransferOrder) -> Answer | Exception:
        fault = self.fault if not self._count("met", transfer_id) else ""
        if fault:
            self.note("met", transfer_id)
        before: dict[str, Answer] = {
            "lost": _TIME_OUT,
            "5xx before": Answer(Outcome.UNKNOWN, message="HTTP 500."),
            "throttled": Answer(Outcome.UNKNOWN, message="HTTP 429."),
            "refused connection": Answer(Outcome.NOT_SENT, message="Connection refused."),
            "keys refused": Answer(Outcome.NOT_SENT, code=CREDENTIALS, message="HTTP 401."),
        }
        if fault in before:
            return before[fault]
        if fault == "late":
            self.note("late", transfer_id)
            return _TIME_OUT
        if self.knows_ids and self._count("taken", transfer_id):
            return Answer(Outcome.UNKNOWN, code=DUPLICATE, message="This transfer id is known already.")
        self.note("taken", transfer_id)
        after: dict[str, Answer | Exception] = {
            "time-out": _TIME_OUT,
            "accepted then 404": _TIME_OUT,
            "broken": ConnectionResetError("reset by peer"),
            "5xx after": Answer(Outcome.UNKNOWN, message="HTTP 502."),
            "duplicate": Answer(Outcome.UNKNOWN, code=DUPLICATE, message="HTTP 409."),
            "unreadable": Answer(Outcome.UNKNOWN, code=UNREADABLE, message="ON_THE_MOON"),
            "wrong id": Answer(
                Outcome.UNKNOWN, code=UNREADABLE, message="The answer is about another transfer."
            ),
        }
        return after.get(fault) or Answer(
            Outcome.ACCEPTED, **self._booked(order.amount_minor, order.currency)
        )

    def status(self, organisation_id: int, transfer_id: str) -> Answer:
        """The truth, unless the fault is one of questions."""
        point("bank: before the question")
        self.note("asked", transfer_id)
        answer = self._status(transfer_id, self._count("asked", transfer_id))
        point("bank: after the word")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _status(self, transfer_id: str, times: int) -> Answer | Exception:
        if self.fault == "status away" and times <= 3:
            return TimeoutError("no answer") if times % 2 else Answer(Outcome.UNKNOWN, message="HTTP 503.")
        if self._count("late", transfer_id) and times > 2 and not self._count("taken", transfer_id):
            self.note("taken", transfer_id)
        if not self._count("taken", transfer_id):
            return Answer(Outcome.NOT_FOUND)
        if self.fault == "accepted then 404" and times <= 2:
            return Answer(Outcome.NOT_FOUND)
        if self.fault == "stale" and times <= 2:
            return Answer(Outcome.ACCEPTED)
        return self._word(transfer_id, times)

    def _word(self, transfer_id: str, times: int) -> Answer:
        if not self._moves(transfer_id):
            code = "BANK_UNAVAILABLE" if self.outcome == "bank away" else "ACCOUNT_CLOSED"
            return Answer(Outcome.FAILED, code=code, message="The bank says no.")
        if self.outcome == "pending" and times <= 4:
            return Answer(Outcome.ACCEPTED)
        if self.outcome == "returns" and times > 4:
            return Answer(Outcome.REVERSED, code="RETURNED_BY_BANK", message="It came back.")
        return Answer(Outcome.SUCCEEDED, utr=f"UTR{transfer_id[-9:]}")

    @staticmethod
    def _booked(amount_minor: int, currency: str) -> dict[str, Any]:
        return {"amount_minor": amount_minor, "currency": currency, "provider_reference": "B-1"}

    def balance(self, organisation_id: int, currency: str) -> int | None:
        """Without limit."""
        return None

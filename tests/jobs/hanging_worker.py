"""A worker whose bank takes the transfer in and never answers: `python -m tests.jobs.hanging_worker FILE`.

FILE is made when the bank has the transfer.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from jobs import worker
from webapp.providers.ports import Answer, TransferOrder
from webapp.providers.sandbox import SandboxBank

_send = SandboxBank.send


def _send_and_hang(self: SandboxBank, order: TransferOrder) -> Answer:
    answer = _send(self, order)
    Path(sys.argv[1]).touch()
    time.sleep(300)
    return answer


if __name__ == "__main__":
    SandboxBank.send = _send_and_hang  # type: ignore[method-assign]
    raise SystemExit(worker.main(["money"]))

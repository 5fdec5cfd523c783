"""A real mail server on loopback for tests: takes, refuses or delays, and keeps what it took."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Box:
    """What arrived. `answer` is said to every recipient, `data_answer` to every text."""

    def __init__(self, answer: str = "250 OK", data_answer: str = "250 taken") -> None:
        self.answer, self.data_answer = answer, data_answer
        self.envelopes: list[Envelope] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient, or say the prepared answer."""
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the text, or refuse it."""
        if self.data_answer.startswith("250"):
            self.envelopes.append(envelope)
        return self.data_answer

    @property
    def messages(self) -> list[EmailMessage]:
        """The mails as a mail program reads them."""
        return [
            email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[misc, arg-type]
            for envelope in self.envelopes
        ]


@contextmanager
def mail_server(box: Box) -> Iterator[str]:
    """Run the server on a free port; gives its SMTP_URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()

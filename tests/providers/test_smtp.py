"""The mail server's door, against a real server on loopback."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.providers.mailserver import Box, mail_server
from webapp.providers import smtp

MAIL = smtp.Mail(
    sender="Paydesk <no-reply@pay.example.org>",
    to_address="maya@example.com",
    to_name="Maya Okafor",
    reply_to="payouts@solaria.example",
    subject="Paid: ₹1,023.30 – PO-2026-000123",
    text="Hello Maya,\n.a line with a dot\n" + "long " * 400,
    html="<p>Hello <b>Maya</b> – ₹1,023.30</p>",
    message_id="<abc@pay.example.org>",
    thread_id="<payout-1-7@pay.example.org>",
    at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
)


def test_text_and_html_arrive_whole_and_marked_as_automatic() -> None:
    box = Box()
    with mail_server(box) as url:
        smtp.send(url, MAIL)
    (message,) = box.messages
    assert box.envelopes[0].mail_from == "no-reply@pay.example.org"
    assert box.envelopes[0].rcpt_tos == ["maya@example.com"]
    expected = {
        "From": "Paydesk <no-reply@pay.example.org>",
        "To": "Maya Okafor <maya@example.com>",
        "Reply-To": "payouts@solaria.example",
        "Subject": "Paid: ₹1,023.30 – PO-2026-000123",
        "Message-ID": "<abc@pay.example.org>",
        "References": "<payout-1-7@pay.example.org>",
        "Auto-Submitted": "auto-generated",
        "Date": "Fri, 20 Nov 2026 12:00:00 +0000",
    }
    assert {name: str(message[name]) for name in expected} == expected
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}  # type: ignore[attr-defined]
    assert parts["text/plain"].replace("\r\n", "\n").strip() == MAIL.text.strip()
    assert parts["text/html"].strip() == MAIL.html
    assert list(parts) == ["text/plain", "text/html"]
    assert max(len(line) for line in (box.envelopes[0].content or b"").splitlines()) <= 998


@pytest.mark.parametrize(
    "hostile",
    [
        "Maya\r\nBcc: thief@example.net",
        "Maya\nSubject: Your account\n\nGive us your number",
        "Maya\u2028Bcc: thief@example.net",
        "Maya\x00\x0b\x0cBcc: thief@example.net",
        '"Maya" <thief@example.net>, Maya',
        "Maya, Okafor; <x>",
    ],
)
def test_no_name_begins_a_header_or_adds_a_recipient(hostile: str) -> None:
    box = Box()
    with mail_server(box) as url:
        smtp.send(
            url, replace(MAIL, to_name=hostile, subject=f"Paid {hostile}", message_id=f"<a@b>{hostile}")
        )
    (message,) = box.messages
    assert box.envelopes[0].rcpt_tos == ["maya@example.com"]
    assert message["Bcc"] is None
    assert len(message.get_all("Subject", [])) == 1
    assert [address.addr_spec for address in message["To"].addresses] == ["maya@example.com"]
    content = message.get_body(("plain",))
    assert content is not None
    assert content.get_content().startswith("Hello Maya")


@pytest.mark.parametrize("address", ["maya@example.com\r\nRCPT TO:<x@y>", "no address", "", "a@b, c@d", "@"])
def test_an_impossible_address_is_refused_before_the_server_is_asked(address: str) -> None:
    with pytest.raises(smtp.Refused, match="cannot be written"):
        smtp.send("smtp://127.0.0.1:1", replace(MAIL, to_address=address))


@pytest.mark.parametrize(
    ("box", "error", "words"),
    [
        (Box(answer="550 5.1.1 no such user"), smtp.Refused, "refused the recipient: 550 5.1.1 no such user"),
        (Box(answer="451 4.7.1 greylisted"), smtp.NotNow, "451 4.7.1 greylisted"),
        (Box(data_answer="554 5.7.1 looks like spam"), smtp.Refused, "554 5.7.1 looks like spam"),
        (Box(data_answer="452 4.3.1 disk full"), smtp.NotNow, "452 4.3.1 disk full"),
    ],
)
def test_for_good_or_for_now(box: Box, error: type[Exception], words: str) -> None:
    with mail_server(box) as url, pytest.raises(error) as raised:
        smtp.send(url, MAIL)
    assert words in str(raised.value)
    assert box.messages == []


def test_a_server_that_is_away_is_tried_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(smtp.NotNow, match=f"127.0.0.1:{port} does not answer"):
        smtp.send(f"smtp://127.0.0.1:{port}", MAIL)


def test_a_silent_server_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(smtp.NotNow, match="timed out"):
        smtp.send(f"smtp://127.0.0.1:{silent.getsockname()[1]}", MAIL, timeout=0.2)


def test_nothing_is_sent_in_the_clear_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box()
    with mail_server(box) as url:
        port = url.rpartition(":")[2]
        with pytest.raises(smtp.NotNow, match="STARTTLS"):
            smtp.send(f"smtp://user:secret-word@127.0.0.1:{port}", MAIL)
        monkeypatch.setattr(smtp, "_LOOPBACK", ())
        with pytest.raises(smtp.NotNow, match="STARTTLS"):
            smtp.send(url, MAIL)
        assert box.messages == []
        smtp.send(f"{url}?tls=no", MAIL)
    assert len(box.messages) == 1


def test_addresses_of_servers() -> None:
    assert smtp.server_of("smtps://me%40x:p%2Fw@mail.example.org").port == 465
    server = smtp.server_of("smtp://me%40x:p%2Fw@mail.example.org")
    assert (server.port, server.user, server.password) == (587, "me@x", "p/w")
    assert "p/w" not in repr(server)
    for bad in ("mail.example.org", "http://mail.example.org", "smtp://", "smtp://host:port"):
        with pytest.raises(smtp.NotNow, match="SMTP_URL cannot be read"):
            smtp.server_of(bad)


def test_a_rude_goodbye_after_the_mail_was_taken_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import smtplib

    def rude(self: smtplib.SMTP) -> object:
        raise smtplib.SMTPServerDisconnected("gone")

    box = Box()
    monkeypatch.setattr(smtplib.SMTP, "quit", rude)
    with mail_server(box) as url:
        smtp.send(url, MAIL)
    assert len(box.messages) == 1

"""The mail server: one message, one connection, an answer that says whether trying again can help."""

from __future__ import annotations

import smtplib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_SECONDS = 20
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
EXAMPLE = "smtp://user:password@mail.example.org:587 or smtps://user:password@mail.example.org:465"


class Refused(Exception):
    """The server, or the message itself, says no for good; `str()` is the reason for people."""


class NotNow(Exception):
    """The mail did not leave and may later: server away, busy, or not set up right; `str()` is the reason."""


@dataclass(frozen=True)
class Server:
    """Where mail goes, out of SMTP_URL."""

    host: str
    port: int
    user: str
    password: str
    is_implicit_tls: bool
    # ?tls=no: an own relay in a private network. Never with a password, which would travel in the clear.
    allows_plain: bool

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"


@dataclass(frozen=True)
class Mail:
    """A message to one person. The sender and Reply-To are written "Name <address>"."""

    sender: str
    to_address: str
    to_name: str
    reply_to: str
    subject: str
    text: str
    html: str
    message_id: str
    thread_id: str
    at: datetime
    # One click on this address ends optional mail (RFC 8058); empty for mail that is always sent.
    unsubscribe_url: str = ""
    # A PDF that goes with it.
    attachment_name: str = ""
    attachment: bytes = b""


def server_of(url: str) -> Server:
    """Read SMTP_URL. Raises NotNow, without repeating the password, when it cannot be used."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == -1:
        raise NotNow(f"SMTP_URL cannot be read. It looks like {EXAMPLE}.")
    return Server(
        host=parts.hostname,
        port=port or (465 if parts.scheme == "smtps" else 587),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        is_implicit_tls=parts.scheme == "smtps",
        allows_plain=parts.hostname in _LOOPBACK or parse_qs(parts.query).get("tls") == ["no"],
    )


def compose(mail: Mail) -> EmailMessage:
    """The message as it travels: text and HTML, marked as automatic. Raises Refused for an impossible address."""
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = _address(mail.sender)
        message["To"] = Address(display_name=_one_line(mail.to_name), addr_spec=_one_line(mail.to_address))
        if mail.reply_to:
            message["Reply-To"] = _address(mail.reply_to)
        message["Subject"] = _one_line(mail.subject)
        message["Date"] = format_datetime(mail.at)
        message["Message-ID"] = _one_line(mail.message_id)
        if mail.thread_id:
            message["References"] = _one_line(mail.thread_id)
        # No out-of-office answers, please.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        if mail.unsubscribe_url:
            message["List-Unsubscribe"] = f"<{_one_line(mail.unsubscribe_url)}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.text, cte="quoted-printable")
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        if mail.attachment:
            message.add_attachment(
                mail.attachment,
                maintype="application",
                subtype="pdf",
                filename=_one_line(mail.attachment_name),
            )
    except (ValueError, IndexError, HeaderParseError, MessageError) as error:
        raise Refused(f"The address {mail.to_address} cannot be written into a mail ({error}).") from error
    return message


def send(url: str, mail: Mail, *, timeout: float = TIMEOUT_SECONDS) -> None:
    """Hand one mail to the server of SMTP_URL. Raises Refused or NotNow; when it returns, the server has it.

    If the connection breaks after the text was sent and before the answer came, this raises NotNow although the
    server may have it: the one window in which a person can get a mail twice, with the same Message-ID.
    """
    server = server_of(url)
    message = compose(mail)
    try:
        connection = _connect(server, timeout)
        try:
            connection.send_message(message)
        finally:
            _say_goodbye(connection)
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        _raise(code, answer, "The mail server refused the recipient")
    except smtplib.SMTPAuthenticationError as error:
        raise NotNow(f"The mail server refused user and password of SMTP_URL ({error.smtp_code}).") from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        _raise(error.smtp_code, error.smtp_error, "The mail server refused the mail")
    except smtplib.SMTPNotSupportedError as error:
        raise Refused(f"The mail server cannot take this address: {error}") from error
    except smtplib.SMTPResponseException as error:
        raise NotNow(f"The mail server answered {error.smtp_code} {_text(error.smtp_error)}.") from error
    except ssl.SSLError as error:
        raise NotNow(f"No safe connection to the mail server: {error.reason or error}.") from error
    except (smtplib.SMTPException, OSError, socket.gaierror) as error:
        said = str(error) or type(error).__name__
        raise NotNow(f"The mail server {server.host}:{server.port} does not answer: {said}.") from error


def _connect(server: Server, timeout: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.is_implicit_tls:
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=timeout, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=timeout)
    try:
        connection.ehlo()
        is_safe = server.is_implicit_tls
        if not is_safe and connection.has_extn("starttls"):
            connection.starttls(context=context)
            connection.ehlo()
            is_safe = True
        if not is_safe and (server.user or not server.allows_plain):
            raise NotNow(
                f"The mail server {server.host} offers no STARTTLS, so nothing is sent to it in the clear. "
                "Use smtps://, or add ?tls=no for a relay of your own without a password."
            )
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _say_goodbye(connection: smtplib.SMTP) -> None:
    """End the conversation; a server that is rude now has taken or refused the mail already."""
    try:
        connection.quit()
    except (smtplib.SMTPException, OSError):
        connection.close()


def _raise(code: int, answer: bytes | str, what: str) -> None:
    reason = f"{what}: {code} {_text(answer)}"
    raise Refused(reason) if 500 <= code < 600 else NotNow(reason)


def _text(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return _one_line(text)[:300]


def _one_line(text: str) -> str:
    """A header value on one line: a line break in a name must never begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _address(text: str) -> Address:
    name, spec = parseaddr(_one_line(text))
    return Address(display_name=name, addr_spec=spec)

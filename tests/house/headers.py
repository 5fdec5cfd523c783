"""The headers that every answer has."""

from __future__ import annotations

from werkzeug.wrappers import Response

EXACT = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
POLICY = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "object-src 'none'", "base-uri 'none'",
          "frame-ancestors 'none'", "form-action 'self'")  # fmt: skip


# Pages that show an e-mail in a frame may frame our own addresses; the e-mail itself is answered under a policy that
# lets its styles be drawn and nothing else happen. These addresses, and no others.
FRAMING = ("admin.notices.show", "demo.outbox.show", "public.notices.show")
LETTERS = ("admin.notices.html", "demo.outbox.html", "public.notices.html")
LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; form-action 'none'; frame-ancestors 'self'; "
    "base-uri 'none'"
)
# The page whose form leads to the payment gateway: browsers ask its policy about the redirect, too.
LEADING = "public.rent.show"
GATEWAY = "form-action 'self' https://phonepe.com https://*.phonepe.com http://localhost:* http://127.0.0.1:*"


def check_headers(response: Response, *, is_asset: bool = False, endpoint: str = "") -> None:
    """The headers that no answer may lack; `endpoint` tells those apart that may show e-mails."""
    headers = response.headers
    for name, value in EXACT.items():
        assert headers.get(name) == value, name
    if endpoint in LETTERS and response.status_code == 200:
        assert headers["Content-Security-Policy"] == LETTER_POLICY
        assert "no-store" in headers["Cache-Control"]
        return
    may_frame = endpoint in FRAMING and response.status_code == 200
    assert may_frame == ("frame-src" in headers["Content-Security-Policy"])
    policy = headers["Content-Security-Policy"]
    if endpoint == LEADING and response.status_code == 200:
        assert GATEWAY in policy
        policy = policy.replace(GATEWAY, "form-action 'self'")
    directives = [part.strip() for part in policy.split(";")]
    assert set(POLICY) <= set(directives)
    assert "unsafe" not in policy
    assert "*" not in policy
    assert is_asset or "no-store" in headers["Cache-Control"]
    assert "Server" not in headers

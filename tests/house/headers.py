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


def check_headers(response: Response, *, is_asset: bool = False) -> None:
    """The headers that no answer may lack."""
    headers = response.headers
    for name, value in EXACT.items():
        assert headers.get(name) == value, name
    directives = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert set(POLICY) <= set(directives)
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "*" not in headers["Content-Security-Policy"]
    assert is_asset or "no-store" in headers["Cache-Control"]
    assert "Server" not in headers

"""Addresses that a page may lead back to."""

from __future__ import annotations

from urllib.parse import urlsplit


def local_path(address: str | None) -> str | None:
    """The address if it is a path of this site that a page may lead back to, else None.

    Browsers read "//host", "/\\host" and paths with tabs or line breaks as other sites.
    """
    if not address or not address.startswith("/") or address[1:2] in ("/", "\\"):
        return None
    if any(ord(sign) < 32 or ord(sign) == 127 or sign == "\\" for sign in address):
        return None
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or parts.path in ("/sign-in", "/sign-out"):
        return None
    return address

"""Zoho's data centres: an account lives in one of them, and is known to no other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataCentre:
    """Where tokens come from, and where the books are called."""

    label: str
    accounts: str
    books: str


CENTRES: Mapping[str, DataCentre] = {
    "us": DataCentre("United States (zoho.com)", "https://accounts.zoho.com", "https://www.zohoapis.com"),
    "eu": DataCentre("Europe (zoho.eu)", "https://accounts.zoho.eu", "https://www.zohoapis.eu"),
    "in": DataCentre("India (zoho.in)", "https://accounts.zoho.in", "https://www.zohoapis.in"),
    "au": DataCentre("Australia (zoho.com.au)", "https://accounts.zoho.com.au", "https://www.zohoapis.com.au"),
    "jp": DataCentre("Japan (zoho.jp)", "https://accounts.zoho.jp", "https://www.zohoapis.jp"),
    "ca": DataCentre("Canada (zohocloud.ca)", "https://accounts.zohocloud.ca", "https://www.zohoapis.ca"),
    "cn": DataCentre("China (zoho.com.cn)", "https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"),
    "sa": DataCentre("Saudi Arabia (zoho.sa)", "https://accounts.zoho.sa", "https://www.zohoapis.sa"),
}  # fmt: skip
# What Paydesk may do there, and no more.
SCOPES = (
    "ZohoBooks.contacts.CREATE", "ZohoBooks.contacts.READ", "ZohoBooks.bills.CREATE", "ZohoBooks.bills.READ",
    "ZohoBooks.bills.UPDATE", "ZohoBooks.vendorpayments.CREATE", "ZohoBooks.vendorpayments.READ",
    "ZohoBooks.vendorpayments.DELETE", "ZohoBooks.settings.READ", "ZohoBooks.accountants.READ",
)  # fmt: skip

"""Zoho Books: our client and bookkeeper."""

"""Cashfree: our client and rail."""

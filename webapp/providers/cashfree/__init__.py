"""Cashfree Payouts V2: transfers to bank accounts and UPI addresses in India."""

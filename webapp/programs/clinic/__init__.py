"""Invoices of a clinic, the wallets that their money goes through, and what practitioners get of it."""

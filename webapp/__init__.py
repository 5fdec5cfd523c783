"""Paydesk: payouts on time, explained to the cent."""

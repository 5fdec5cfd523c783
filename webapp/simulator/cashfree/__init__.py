"""Cashfree Payouts V2, the calls of V1 that tell the balance, and the verification of accounts."""

from webapp.simulator.cashfree.provider import Cashfree

__all__ = ["Cashfree"]

"""PhonePe's payment gateway (Standard Checkout V2): orders, their payment page, refunds, settlements."""

from webapp.simulator.phonepe.provider import PhonePe

__all__ = ["PhonePe"]

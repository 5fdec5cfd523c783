"""Zoho Books v3: consent and tokens, who is let in, and the few records that payouts become."""

from webapp.simulator.zoho.books import ORGANISATION_ID, SECOND_ORGANISATION_ID
from webapp.simulator.zoho.oauth import REFRESH_TOKEN
from webapp.simulator.zoho.provider import Zoho

__all__ = ["ORGANISATION_ID", "REFRESH_TOKEN", "SECOND_ORGANISATION_ID", "Zoho"]

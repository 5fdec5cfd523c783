"""Partners: deals are attributed to those who brought them; commissions become payouts."""

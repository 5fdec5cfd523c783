"""Transfers that leave together: claimed in one transaction, sent with none open, answered in one."""

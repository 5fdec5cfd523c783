"""Technicians are paid for installed systems by rate configurations."""

"""Owners are paid from the rent that their tenants pay."""

"""Repairs: pages of the admins and of the drivers."""

"""Repairs: their pages."""

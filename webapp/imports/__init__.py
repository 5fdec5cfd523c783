"""Imports: a file, the columns it maps to, what would happen, and what happened, row by row."""

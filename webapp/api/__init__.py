"""The JSON API under /api/v1: tokens, problems, idempotency, and the resources of every room."""

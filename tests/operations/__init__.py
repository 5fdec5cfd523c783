"""Running an installation: logs, health, metrics, jobs page, keys, back-ups."""

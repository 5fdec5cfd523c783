"""One blueprint per role: a table of contents that mounts rooms behind a guard."""

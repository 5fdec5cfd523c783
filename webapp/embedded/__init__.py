"""Embedded defaults: the store and the supervisor that `paydesk demo` runs on one machine."""

"""Tests of Paydesk."""

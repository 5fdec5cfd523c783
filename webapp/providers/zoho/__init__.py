"""Zoho Books: where its data centres are, what goes over the wire, what its answers mean."""

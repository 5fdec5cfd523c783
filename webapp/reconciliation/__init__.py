"""Ours against theirs: our transfers and the ledger's bank account beside what providers and banks say."""
